"""Is the machine what the plan says? Used to leave it alone, and to check what was done."""

from __future__ import annotations

import json

from plan import service, wslconf
from plan.machine import Machine
from plan.model import ready
from plan.plan import Plan, missing_packages
from plan.settings import Settings

LOCAL = ("127.0.0.1", "localhost", "0.0.0.0")


def serving(machine: Machine, settings: Settings, plan: Plan) -> bool:
    """Whether the server that runs is the planned one, enabled, and healthy."""
    if plan.serve is None or (settings.require_api_key and not _key_held(machine)):
        return False
    healthy = machine.service.health == 200 or settings.host not in LOCAL
    if plan.supervisor == "supervisord":
        running = machine.service.supervised
        return bool(running and running.spec == plan.serve.spec and healthy)
    unit = machine.service.unit
    if unit is None or unit.active != "active" or unit.needs_reload or unit.enabled != "enabled":
        return False
    unread = set(unit.drop_ins_on_disk) - set(unit.drop_ins)  # systemd does not notice a new drop-in by itself
    return unit.spec == plan.serve.spec and healthy and not unread


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


def remaining(machine: Machine, settings: Settings, plan: Plan) -> list[str]:
    """What is not as planned, in words; empty where all is well."""
    checks = [
        (
            bool(missing_packages(machine, plan.packages)),
            f"packages missing: {' '.join(missing_packages(machine, plan.packages))}",
        ),
        (plan.toolkit is not None and plan.toolkit_version is None, "the CUDA toolkit is not installed"),
        (_no_nvcc(machine, settings, plan), "a fresh login shell does not find nvcc"),
        (plan.choice is None, "no release is chosen"),
        (plan.choice is not None and machine.releases.current != plan.choice.lock, "current is not the chosen release"),
        (plan.model is not None and not ready(machine, plan.model), "the model is not there or was changed"),
        (bool(service.stale(machine, plan.files)), "the service's files are not as planned"),
        (
            plan.supervisor != "wsl-restart" and not serving(machine, settings, plan),
            "the server does not run as planned",
        ),
    ]
    return [words for wrong, words in checks if wrong]


def _no_nvcc(machine: Machine, settings: Settings, plan: Plan) -> bool:
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
