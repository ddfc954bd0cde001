"""The user's service: files, linger, and a start that ends with an answer."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api import QuoteString, StringCommand

from plan import service
from plan.converged import enabled, has_answered, port_taken, read, serving
from plan.machine import Machine
from plan.plan import Plan
from tasks import helper, progress, stepdown
from tasks.task import task
from tasks.workstation import Workstation

BUS = "i=0; until test -S /run/user/{uid}/bus; do i=$((i+1)); test $i -lt 100 || exit 1; sleep 0.1; done"


@task
def linger(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure the user's services start at boot and outlive the login.

    + ws: the host
    """
    if ws.plan is None or ws.machine is None or ws.plan.refusals or ws.plan.supervisor == "supervisord":
        return
    user = ws.machine.system.user
    if ws.machine.service.linger and (ws.machine.service.unit is not None or ws.plan.supervisor == "wsl-restart"):
        host.noop("linger is on")
        return
    if ws.plan.supervisor == "wsl-restart":
        yield ws.as_root(
            "mkdir -p /var/lib/systemd/linger && touch", QuoteString(f"/var/lib/systemd/linger/{user.name}")
        )
    else:
        sorry = f"the user manager of {user.name} did not start. Look at: systemctl status user@{user.uid}"
        ready = f"loginctl enable-linger {user.name} && systemctl start user@{user.uid} && {{ {BUS.format(uid=user.uid)}; }}"
        yield ws.as_root(f"{ready} || {{ echo", QuoteString(sorry), ">&2; exit 1; }")
    ws.forget()


@task
def files(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure unit, environment, start plan and key are as planned. A running server does not notice yet.

    + ws: the host
    """
    if ws.plan is None or ws.machine is None or ws.plan.refusals:
        return
    if ws.plan.serve is None:  # only while preparing
        yield StringCommand("true")
        return
    stale = service.stale(ws.machine, ws.plan.files)
    link = _link(ws, ws.machine)
    key = ws.machine.files.get(f"{ws.root}/service/api-key")
    keyed = not ws.settings.require_api_key or (
        key is not None and key.mode == "600" and ws.machine.service.key_present
    )
    if not stale and link is None and keyed:
        host.noop("the service's files are as planned")
        return
    for text in stale:
        yield helper.write(text.path, text.content.encode(), text.mode)
    if link is not None:
        yield link
    if not keyed:
        yield helper.command(ws.root, "key", ws.root)
    ws.forget()


def _link(ws: Workstation, machine: Machine) -> StringCommand | None:
    """Before systemd runs it cannot be asked to enable the unit: the link that it would make."""
    if ws.plan is None or ws.plan.supervisor != "wsl-restart":
        return None
    home = machine.system.user.home
    target, path = f"{home}/{service.UNIT_FILE}", f"{home}/{service.WANTS_LINK}"
    seen = machine.files.get(path)
    if seen is not None and seen.target == target:
        return None
    return StringCommand(
        "mkdir -p", QuoteString(path.rpartition("/")[0]), "&& ln -sfn", QuoteString(target), QuoteString(path)
    )


def _on_the_side(ws: Workstation, machine: Machine, wanted: Plan) -> Iterator[StringCommand]:
    """What a server that runs as planned may lack; it goes on meanwhile."""
    unready = wanted.supervisor == "systemd" and not (enabled(machine) and read(machine))
    silent = not has_answered(machine, wanted)
    if unready:
        yield helper.command(ws.root, "enable")
    if silent:
        python, archive = QuoteString(f"{ws.root}/current/bin/python"), QuoteString(helper.path(ws.root))
        yield StringCommand(python, archive, "chat", QuoteString(ws.root))
    if machine.service.draining:  # a start that was killed left it
        yield helper.command(ws.root, "drain-end", ws.root)
    if unready or silent or machine.service.draining:
        ws.forget()
    else:
        host.noop("the server runs as planned")


@task
def running(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure the server runs the plan, is enabled, and has answered a real question.

    + ws: the host
    """
    if ws.plan is None or ws.machine is None or ws.plan.refusals or ws.plan.supervisor == "wsl-restart":
        return
    if ws.plan.serve is None:  # only while preparing
        yield StringCommand("true")
        return
    if serving(ws.machine, ws.settings, ws.plan):
        yield from _on_the_side(ws, ws.machine, ws.plan)
        return
    other = port_taken(ws.machine, ws.settings)
    if other:
        yield helper.fail(other)
        return
    yield helper.job(ws.root, "start", "python3", "start", ws.root, ws.plan.supervisor)
    steps = stepdown.Steps(ws)
    yield from progress.follow(ws, "start", "server", steps.answer, steps.why)
    ws.forget()
