"""Drift of the service: its files, linger, and the server that runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from plan import converged, service
from plan.drift import Ours, Wrong
from plan.machine import Machine, Unit
from plan.plan import Plan
from plan.settings import Settings

CODES = {"environment": "ENVIRONMENT", "plan.json": "START-PLAN"}  # by file name; every other file is the unit
FULL_GIB = 0.25


def current(machine: Machine, settings: Settings, plan: Plan, ours: Ours) -> Iterator[Wrong]:
    """The link to the release that serves."""
    if plan.choice is not None and machine.releases.current != plan.choice.lock:
        kind = machine.releases.current_kind
        what = (
            f"leads to releases/{machine.releases.current}"
            if kind == "link"
            else "is no link"
            if kind
            else "is missing"
        )
        yield "CURRENT", f"{machine.releases.root}/current {what}, not to releases/{plan.choice.lock}"


def files(machine: Machine, settings: Settings, plan: Plan, ours: Ours) -> Iterator[Wrong]:
    """Unit, environment and start plan; the key."""
    for text in service.stale(machine, plan.files):
        seen = machine.files.get(text.path)
        how = "is missing" if seen is None else "was edited" if seen.sha256 != text.sha256 else f"has mode {seen.mode}"
        yield CODES.get(text.path.rpartition("/")[2], "UNIT"), f"{text.path} {how}"
    key = machine.files.get(f"{machine.releases.root}/service/api-key")
    if settings.require_api_key and plan.serve is not None:
        if key is None or not machine.service.key_present:
            yield "KEY", "the API key is lost"
        elif key.mode != "600":
            yield "KEY", f"the API key's file has mode {key.mode}"


def linger(machine: Machine, settings: Settings, plan: Plan, ours: Ours) -> Iterator[Wrong]:
    """Services without a login."""
    if plan.supervisor != "supervisord" and not machine.service.linger:
        yield "LINGER", f"services of {machine.system.user.name} end with the last login"


def taken(machine: Machine, settings: Settings, plan: Plan, ours: Ours) -> Iterator[Wrong]:
    """The port in somebody else's hands."""
    who = converged.port_taken(machine, settings)
    if who:
        yield "PORT", who.partition(". ")[0]


def server(machine: Machine, settings: Settings, plan: Plan, ours: Ours) -> Iterator[Wrong]:
    """The process, its health, and whether systemd starts it again."""
    if plan.supervisor == "wsl-restart":
        return
    unit = machine.service.unit
    loaded = unit if unit is not None and unit.load == "loaded" else None
    why = converged.not_serving(machine, settings, plan) if plan.serve is not None else _stopped(loaded)
    if why is not None:
        yield why
    elif plan.supervisor == "systemd" and loaded is not None:
        yield from _unready(machine)
    if why is None and plan.serve is not None and not converged.has_answered(machine, plan):
        yield "ANSWER", "there is no record that this server has answered"
    if why is None and machine.service.draining:
        yield "DRAINING", f"{machine.releases.root}/gateway/draining keeps requests away from a server that is well"


def _stopped(unit: Unit | None) -> Wrong | None:
    """All that can be said of the server while it is not known which start is right."""
    if unit is not None and unit.active != "active":
        return "STOPPED", f"the server does not run ({unit.active})"
    return None


def _unready(machine: Machine) -> Iterator[Wrong]:
    """What systemd does not know of a server that runs."""
    if not converged.read(machine):
        yield "RELOAD", "systemd has not read the unit as it is"
    elif not converged.enabled(machine):
        yield "DISABLED", "the unit is not started at boot"


def disk(machine: Machine, settings: Settings, plan: Plan, ours: Ours) -> Iterator[Wrong]:
    """A disk with nothing left to write on."""
    free = machine.system.disk.free_bytes
    if free is not None and free < FULL_GIB * (1 << 30):
        yield "DISK", f"{free / (1 << 20):.0f} MiB are free where {machine.releases.root} lies"


LOOKS: list[Callable[[Machine, Settings, Plan, Ours], Iterator[Wrong]]] = [current, files, linger, taken, server, disk]
