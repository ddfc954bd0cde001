"""Is the machine what the plan says? Used to leave it alone, and to check what was done."""

from __future__ import annotations

import json

from plan import service, wslconf
from plan.drift import Wrong
from plan.machine import Machine, Unit
from plan.plan import Plan
from plan.settings import Settings


def serving(machine: Machine, settings: Settings, plan: Plan) -> bool:
    """Whether the server that runs is the planned one, started from what lies there now, and healthy."""
    return plan.serve is not None and not_serving(machine, settings, plan) is None


STARTING = ("start-pre", "start", "start-post")  # systemd's sub-states of a start; ExecStartPost hears the first answer


def starting(machine: Machine, settings: Settings, plan: Plan) -> bool:
    """Whether systemd is starting the planned server right now."""
    unit = machine.service.unit
    if plan.serve is None or unit is None or unit.active != "activating" or unit.sub not in STARTING:
        return False
    planned = unit.spec in (None, plan.serve.spec)
    return planned and unit.started in (None, service.started(settings, plan.serve, plan.files))


def enabled(machine: Machine) -> bool:
    """Whether systemd starts it at boot."""
    return machine.service.unit is not None and machine.service.unit.enabled == "enabled"


def read(machine: Machine) -> bool:
    """Whether systemd knows the unit as it lies there."""
    return machine.service.unit is not None and not machine.service.unit.needs_reload


def has_answered(machine: Machine, plan: Plan) -> bool:
    """Whether there is a record that the planned server answered."""
    try:
        told = json.loads(machine.service.answered or "{}")
        return plan.serve is not None and told.get("spec") == plan.serve.spec
    except (ValueError, AttributeError):
        return False


def not_serving(machine: Machine, settings: Settings, plan: Plan) -> Wrong | None:
    """What is wrong with the server that runs, as (code, evidence); None where it serves as planned."""
    assert plan.serve is not None
    unit, supervised = machine.service.unit, machine.service.supervised
    running = supervised if plan.supervisor == "supervisord" else unit
    if running is None or (unit is not None and running is unit and unit.active != "active"):
        return (
            "STOPPED",
            f"the server does not run ({unit.active or 'unknown' if unit else 'no supervisor to ask'}{_own(unit)})",
        )
    if running.spec != plan.serve.spec:
        return "OTHER-START", "the server runs another plan"
    if running.started not in (None, service.started(settings, plan.serve, plan.files)):  # None: not told
        return "OTHER-START", "the server was started from files that have changed since"
    if machine.service.health != 200:
        return "UNHEALTHY", f"/health answers {machine.service.health or 'nothing'}"
    if settings.require_api_key and not _key_held(machine):
        return "KEY-CHANGED", "the server holds another API key than the file"
    return _unread(unit) if running is unit and unit is not None else None


def _own(unit: Unit | None) -> str:
    """The user's own changes of the unit, which take part in what it does."""
    return f"; your own {', '.join(unit.drop_ins)} takes part in it" if unit and unit.drop_ins else ""


def _unread(unit: Unit) -> Wrong | None:
    """systemd does not notice a new drop-in by itself."""
    unread = sorted(set(unit.drop_ins_on_disk) - set(unit.drop_ins))
    return ("DROP-IN", f"systemd has not read {unread[0]} yet") if unread else None


def _key_held(machine: Machine) -> bool:
    """Whether the server answered under the key that the file holds now; where either is unknown it counts as so."""
    try:
        answered = json.loads(machine.service.answered or "{}").get("key")
    except (ValueError, AttributeError):
        return True
    return answered is None or machine.service.key_digest in (None, answered)


def port_taken(machine: Machine, settings: Settings) -> str | None:
    """Who else holds the port, and what to do; our own server is replaced, nobody else's."""
    ours = bool((machine.service.unit and machine.service.unit.pid) or machine.service.supervised)
    for holder in machine.service.port_holders:
        if holder.spec is None and not (ours and holder.pid is None):
            who = f"process {holder.pid} ({holder.command})" if holder.pid else "another user's process"
            return f"port {settings.port} is taken by {who}. Stop it, or set port to a free one, and run this again."
    return None


def no_nvcc(machine: Machine, settings: Settings, plan: Plan) -> bool:
    """Whether the exports are wanted and a login shell lacks them; unknown counts as there."""
    path = machine.exports.login.get("PATH")
    wanted = settings.exports and plan.toolkit_version is not None and path is not None
    return wanted and f"/usr/local/cuda-{plan.toolkit_version}/bin" not in (path or [])


def next_steps(plan: Plan) -> str | None:
    """What a person must still type; None where nothing."""
    if plan.supervisor != "wsl-restart":
        return None
    return (
        "everything is in place; systemd starts it with WSL. Type in Windows PowerShell:\n    "
        + wslconf.COMMANDS.replace("\n", "\n    ")
        + "\nIf the server does not run after that, WSL is older than 0.67.6: wsl --update, and the same again."
    )
