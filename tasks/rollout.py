"""Whose turn it is: a host of a later wave waits until the earlier ones have ended, and is held where too many failed."""

from __future__ import annotations

import sys

from gevent.event import Event
from pyinfra import logger
from pyinfra.api import Host
from pyinfra.api.exceptions import DeployError

from plan import rollout
from plan.rollout import Ended
from tasks.workstation import Workstation, all_known

SHARED = ("canary", "wave", "max_failed")  # what must be the same on all hosts: it is the lab's


class Rollout:
    """The waves of one run, and how far it is."""

    def __init__(self, waves: list[list[str]], canaries: bool, max_failed: float) -> None:
        self.waves, self.canaries, self.max_failed = waves, canaries, max_failed
        self.ended: dict[str, Ended] = {}
        self.reason: str | None = None  # why no other host is begun
        self.change = Event()

    def number(self, name: str) -> int:
        """The wave of a host, from 0."""
        return next(number for number, wave in enumerate(self.waves) if name in wave)

    def end(self, name: str, how: Ended) -> None:
        """A host has ended; a failure is never taken back."""
        if self.ended.get(name) != "failed":
            self.ended[name] = how
        self.change.set()

    def turn(self, name: str) -> str | None:
        """Wait until the host may begin; the reason where it may not."""
        for number in range(self.number(name)):
            wave = self.waves[number]
            while not self.reason and not all(one in self.ended for one in wave):
                self.change.clear()
                self.change.wait()
            first = self.canaries and number == 0
            self.reason = self.reason or rollout.stopped({one: self.ended[one] for one in wave}, first, self.max_failed)
            if self.reason:
                return self.reason
        return None


_running: list[Rollout] = []


def join(ws: Workstation) -> None:
    """Check a host's part in the rollout. Raises DeployError, with nothing touched, where the lab's settings differ or cannot be had."""
    for other in all_known().values():
        for name in SHARED:
            mine, theirs = getattr(ws.settings, name), getattr(other.settings, name)
            if mine != theirs:
                raise DeployError(
                    f"setting {name} differs: {mine!r} on {ws}, {theirs!r} on {other}. It is the lab's: set it in group_data/all.py or with --data."
                )
    if ws.settings.canary or ws.settings.wave:
        _possible(ws)


def _possible(ws: Workstation) -> None:
    state = ws.host.state
    hosts = [host for host in state.inventory if state.is_host_in_limit(host)]
    groups = sorted({group for host in state.inventory for group in host.groups} - {"all"})
    canary = ws.settings.canary
    if isinstance(canary, str) and canary not in groups:
        raise DeployError(
            f"setting canary = {canary!r} cannot be used: allowed is a number or a group of the inventory ({', '.join(groups)})"
        )
    if "--serial" in sys.argv or len(hosts) > state.config.PARALLEL:
        raise DeployError(
            "canary and wave cannot be used with --serial or --parallel: wave says how many hosts are changed at a time"
        )


def _rollout(ws: Workstation) -> Rollout:
    if not _running:
        busy = {name for name, one in all_known().items() if not one.idle}
        hosts = {host.name: list(host.groups) for host in ws.host.state.inventory if host.name in busy}
        settings = ws.settings
        found = rollout.waves(hosts, settings.canary, settings.wave)
        if settings.canary and not found.canaries:
            logger.info(f"no host of the group {settings.canary} is changed in this run: the first wave is one as any other")
        _running.append(Rollout(found.waves, found.canaries, settings.max_failed))
    return _running[0]


def waits(ws: Workstation) -> bool:
    """Whether this host is in a later wave than the first."""
    wanted = bool(ws.settings.canary or ws.settings.wave) and ws.host.state.is_executing
    return bool(wanted and _rollout(ws).number(ws.host.name))


def turn(ws: Workstation) -> str | None:
    """Wait for this host's turn; the reason where it does not come."""
    logger.info(
        f"{ws.host.print_prefix}waits for its wave ({_rollout(ws).number(ws.host.name) + 1} of {len(_rollout(ws).waves)})"
    )
    return _rollout(ws).turn(ws.host.name)


def ended(host: Host, well: bool) -> None:
    """A host has done an operation, or failed in one; with the last one it has ended."""
    ws = all_known().get(host.name)
    if ws is None or not (ws.settings.canary or ws.settings.wave):
        return
    ws.operations -= 1
    if well and ws.operations > 0 and not ws.held:
        return
    how: Ended = "held" if ws.held else "well" if well else "unreachable" if ws.unreachable else "failed"
    _rollout(ws).end(host.name, how)
