"""The card as the planner sees it: what is free, how fast it is, and what its host can lend."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ConfigDict

from plan import records
from plan.machine import Gpu, Machine
from plan.toml import table

JITTER_MIB = 300  # so much more is a window less on the desktop, and no reason for another plan
KEPT_GIB = 2.0  # of host memory for everything else
LESS_MIB = 64  # so much less is within what a plan leaves alone


class Card(BaseModel):
    """What planning needs. GiB; GB/s; TFLOPS dense bf16. None is unknown."""

    model_config = ConfigDict(frozen=True)
    name: str
    total_gib: float
    free_gib: float
    capability: str = "0"
    wsl: bool = False
    shared: bool = False
    bandwidth_gb_s: float | None = None
    tflops: float | None = None
    pcie_gb_s: float | None = None
    pinnable_gib: float | None = None
    pin_probed: bool = False
    host_gib: float | None = None


def of(machine: Machine, gpu: Gpu) -> Card:
    """The card of a machine. What is free is what it was planned with, where nothing has changed since."""
    free = free_gib(machine, gpu)
    total = (gpu.memory_total_mib or gpu.memory_free_mib or 0) / 1024
    row = rates(gpu.name)
    host = machine.system.memory.total_mib
    pinnable, probed = _pinnable(machine)
    return Card(
        name=gpu.name,
        total_gib=total,
        free_gib=free,
        capability=gpu.compute_capability or "0",
        wsl=bool(machine.wsl.version),
        shared=total - free > 0.6,
        bandwidth_gb_s=row.get("gb_s"),
        tflops=row.get("tflops"),
        pcie_gb_s=pcie_gb_s(gpu.pcie_generation, gpu.pcie_width),
        pinnable_gib=pinnable,
        pin_probed=probed,
        host_gib=host / 1024 if host else None,
    )


def rates(name: str) -> dict[str, Any]:
    """The row of plan/gpus.toml whose name is the longest part of nvidia-smi's; empty where there is none."""
    rows: list[dict[str, Any]] = [row for row in table("gpus")["gpu"] if _names(row["name"], name)]
    return max(rows, key=lambda row: len(row["name"]), default={})


def _names(row: str, name: str) -> bool:
    """Whether a row's name stands in a card's name as whole words: an A1000 is no A100."""
    return re.search(rf"(?<!\w){re.escape(row)}(?!\w)", name, re.I) is not None


def pcie_gb_s(generation: int | None, width: int | None) -> float | None:
    """What a link moves in one direction, GB/s; None where it is unknown."""
    speed = table("costs")["speed"]
    lane = speed["lane_gb_s"].get(str(generation))
    return lane * width * speed["pcie_efficiency"] if lane and width else None


def _pinnable(machine: Machine) -> tuple[float | None, bool]:
    """Host memory that can be pinned, GiB, and whether that was tried on this machine as it is now."""
    found = records.pinned(machine)
    share = _share(machine) if machine.system.memory.total_mib else None
    if found is None:  # not tried yet: planned as if all but a little could be pinned, and tried before anything else
        return (machine.system.memory.total_mib or 0) / 1024 - KEPT_GIB if share is not None else None, False
    if found.mib is None:  # tried in vain
        return share, True
    enough = found.mib >= found.asked_mib
    return max(found.mib / 1024, share or 0.0) if enough else found.mib / 1024, True


def _share(machine: Machine) -> float:
    share: float = table("costs")["host"]["share_wsl" if machine.wsl.version else "share_native"]
    return (machine.system.memory.total_mib or 0) / 1024 * share


def free_gib(machine: Machine, card: Gpu) -> float:
    """Free memory to plan with: what was free when this card was planned for, while our server holds it or little has changed.

    A running server must not shrink its own plan, and a browser tab must not restart it.
    """
    now, then = card.memory_free_mib or 0, planned_free_mib(machine, card)
    if then is not None and (server_holds_card(machine) or then - LESS_MIB < now < then + JITTER_MIB):
        return then / 1024
    if server_holds_card(machine) and records.card(machine).name is None:  # our record was lost: what an idle card has
        idle = (card.memory_total_mib or 0) - (1229 if machine.wsl.version else 512)
        return max(now, idle) / 1024
    return now / 1024


def is_planned_card(machine: Machine, card: Gpu) -> bool:
    """Whether the recorded start was planned for this very card."""
    was = records.card(machine)
    index = card.index if was.index is None else was.index
    return (was.name, was.total_mib, index) == (card.name, card.memory_total_mib, card.index)


def planned_free_mib(machine: Machine, card: Gpu) -> int | None:
    """What the recorded start was planned with, where that was this very card."""
    free = records.card(machine).free_mib if is_planned_card(machine, card) else None
    return free if free and free <= (card.memory_total_mib or free) else None


def server_holds_card(machine: Machine) -> bool:
    """Whether a server of ours runs now."""
    unit, supervised = machine.service.unit, machine.service.supervised
    return bool((unit and unit.spec) or (supervised and supervised.spec))
