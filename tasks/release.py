"""vLLM: choose with the resolver, build beside what serves, switch when it is proven."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from pyinfra import host, logger
from pyinfra.api import StringCommand

from plan import libraries, problems
from plan.plan import Plan
from tasks import helper, plugin, progress
from tasks.task import task
from tasks.workstation import Workstation


@task
def chosen(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure it is recorded which release this machine gets; the resolver is asked once for each new question.

    + ws: the host
    """
    if ws.plan is None or ws.plan.refusals:
        return
    if ws.plan.choice is not None:
        host.noop(ws.plan.choice.line)
        return
    yield helper.command(ws.root, "resolve", ws.root, _question(ws, ws.plan))
    ws.forget()
    ws.remember_more()
    if ws.plan and ws.plan.choice:
        logger.info(f"{ws.host.print_prefix}{ws.plan.choice.line}")


def _question(ws: Workstation, plan: Plan) -> dict[str, Any]:
    rows = [
        {
            "name": c.release.name,
            "requirements": c.release.requirements,
            "indexes": c.release.indexes,
            "index_strategy": c.release.index_strategy,
            "prerelease": c.release.prerelease,
            "overrides": c.release.overrides,
            "constraints": c.release.constraints,
            "python": c.python,
            "why": c.why,
        }
        for c in plan.candidates
    ]
    return {"key": plan.key, "candidates": rows, "passed": plan.passed, "find_links": ws.settings.find_links, "cache": ws.cache}


def built(ws: Workstation) -> bool:
    """Whether the chosen release lies there whole, every file and version as it was built."""
    if ws.plan is None or ws.plan.choice is None or ws.machine is None:
        return False
    return problems.sound(ws.machine, ws.settings, ws.plan)


@task
def present(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure the chosen release is built and smoke-tested. What serves now is not touched.

    + ws: the host
    """
    if ws.plan is None or ws.plan.refusals:
        return
    if built(ws):
        host.noop("the release is built")
        return
    choice, release = ws.plan.choice, ws.plan.release
    if choice is None or release is None:  # only while preparing
        yield StringCommand("true")
        return
    root = ws.root
    mend = libraries.mend(ws.machine, choice.lock) if ws.machine else libraries.Mend()
    order = {
        "lock": choice.lock,
        "release": release.name,
        "python": choice.python,
        "alias": release.alias,
        "find_links": ws.settings.find_links,
        "cache": ws.cache,
        "plugin": plugin.file_name() if ws.plan.plugin else None,
        "damaged": mend.damaged,
        "stray": mend.stray,
    }
    yield helper.job(root, "build", "python3", "build", root, order)
    yield from progress.follow(ws, "build", "vLLM")
    ws.forget()


@task
def converter(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure the release is there where the model is converted with vLLM's own libraries: the small one for the processor.

    + ws: the host
    """
    if ws.plan is not None and ws.plan.engine == "cpu":
        yield from cast(Any, present)._inner(ws)
    else:
        host.noop("the model comes as it is")


@task
def current(ws: Workstation) -> Iterator[StringCommand]:
    """
    Point `current` at the chosen release once it is complete.

    + ws: the host
    """
    if ws.plan is None or ws.machine is None or ws.plan.refusals:
        return
    choice = ws.plan.choice
    if choice and ws.machine.releases.current == choice.lock:
        host.noop("current is the chosen release")
        return
    if choice is None:  # only while preparing
        yield StringCommand("true")
        return
    yield helper.command(ws.root, "switch", ws.root, choice.lock)
    ws.forget()
