"""In which order a lab is changed, and when to stop: canaries first, then the others in waves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

Ended = Literal["well", "failed", "unreachable", "held"]


class Order(NamedTuple):
    """Hosts by wave. `canaries`: whether the first wave is one of canaries."""

    waves: list[list[str]]
    canaries: bool


def waves(hosts: Mapping[str, Sequence[str]], canary: int | str, wave: int) -> Order:
    """Hosts (name: its groups, in the inventory's order) in the waves that they are changed in.

    `canary`: so many of the first hosts, or those of a group, are a wave of their own; `wave`: hosts at a time, 0 all.
    """
    names = list(hosts)
    first = names[:canary] if isinstance(canary, int) else [name for name in names if canary in hosts[name]]
    rest = [name for name in names if name not in first]
    size = wave or len(rest) or 1
    parts = [first, *(rest[at : at + size] for at in range(0, len(rest), size))]
    return Order([part for part in parts if part], bool(first))


def stopped(wave: Mapping[str, Ended], canaries: bool, max_failed: float) -> str | None:
    """Why nothing follows a wave that ended so; None where the next may begin.

    A host that cannot be reached (switched off) counts neither way, but a canary that nobody saw proves nothing.
    """
    failed = [name for name, end in wave.items() if end == "failed"]
    reached = [name for name, end in wave.items() if end != "unreachable"]
    if canaries and failed:
        return f"the canary {failed[0]} failed"
    if canaries and not reached:
        return "no canary could be reached"
    if not canaries and failed and len(failed) / len(reached) > max_failed:
        return f"{len(failed)} of {len(reached)} hosts failed, more than max_failed = {max_failed:g}"
    return None
