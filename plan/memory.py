"""What a card can hold, from its free memory."""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel, ConfigDict

from plan.evidence import How, Refusal
from plan.machine import Gpu, Machine
from plan.toml import table

PINNED_ROUNDING = 1.9  # torch rounds each pinned tensor up to a power of two (measured by users, vllm #56410)
JITTER_MIB = 300  # less than this is a window more or less on the desktop
PINNED_SHARE = 0.5  # Windows pins at most about half of the machine's memory


class Profile(BaseModel):
    """One row of plan/profiles.toml. GiB and MiB as named."""

    model_config = ConfigDict(frozen=True)
    free_gib: float
    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int
    kv_mib: int | None = None
    offload_gib: float = 0.0
    graphs: list[int]
    evidence: How


def profile(machine: Machine, card: Gpu) -> Profile | Refusal:
    """The profile for what is free now, or the sentence why there is none."""
    free = free_gib(machine, card)
    found = next((Profile.model_validate(row) for row in table("profiles")["profile"] if free >= row["free_gib"]), None)
    if found is None:
        least = min(row["free_gib"] for row in table("profiles")["profile"])
        return Refusal(
            code="VRAM",
            message=f"{card.name} has {free:.1f} GiB free; gpt-oss-20b needs at least {least} GiB even with most of it in host memory.",
            remedy="Close what uses the card (nvidia-smi lists it) and run this again, or set engine = cpu.",
        )
    return _host_memory(machine, found) or found


def free_gib(machine: Machine, card: Gpu) -> float:
    """Free memory to plan with: what was free when this card was planned for, while our server holds it or little has changed.

    A running server must not shrink its own plan, and a browser tab must not restart it.
    """
    now, then = card.memory_free_mib or 0, planned_free_mib(machine, card)
    if then is not None and (server_holds_card(machine) or abs(now - then) < JITTER_MIB):
        return then / 1024
    if server_holds_card(machine) and not _recorded(machine):  # our record was lost: what an idle card has
        idle = (card.memory_total_mib or 0) - (1229 if machine.wsl.version else 512)
        return max(now, idle) / 1024
    return now / 1024


def _recorded(machine: Machine) -> dict[str, Any]:
    """The card as the recorded start was planned for."""
    found: dict[str, Any] = (machine.releases.start or {}).get("card") or {}
    return found


def is_planned_card(machine: Machine, card: Gpu) -> bool:
    """Whether the recorded start was planned for this very card."""
    was = _recorded(machine)
    return [was.get("name"), was.get("total_mib"), was.get("index", card.index)] == [
        card.name,
        card.memory_total_mib,
        card.index,
    ]


def planned_free_mib(machine: Machine, card: Gpu) -> int | None:
    """What the recorded start was planned with, where that was this very card."""
    found: int | None = _recorded(machine).get("free_mib") if is_planned_card(machine, card) else None
    return found


def server_holds_card(machine: Machine) -> bool:
    """Whether a server of ours runs now."""
    unit, supervised = machine.service.unit, machine.service.supervised
    return bool((unit and unit.spec) or (supervised and supervised.spec))


def utilization(machine: Machine, card: Gpu) -> float:
    """Largest share of the card that vLLM's start check accepts with a reserve (0.5 GiB in WSL, 0.4 native), two digits."""
    total = (card.memory_total_mib or card.memory_free_mib or 0) / 1024
    reserve = 0.5 if machine.wsl.version else 0.4
    return max(0.01, min(0.92, math.floor((free_gib(machine, card) - reserve) / total * 100) / 100))


def _host_memory(machine: Machine, found: Profile) -> Refusal | None:
    total = machine.system.memory.total_mib
    needed = found.offload_gib * PINNED_ROUNDING
    limit = (total or 0) / 1024 * (PINNED_SHARE if machine.wsl.version else 0.8)
    if total is None or needed <= limit:
        return None
    return Refusal(
        code="RAM",
        message=f"this card needs {needed:.1f} GiB of pinned host memory for the rest of the model; of {total / 1024:.1f} GiB, "
        f"{limit:.1f} GiB can be pinned.",
        remedy="Give the machine more memory (in WSL: memory= in .wslconfig on the Windows side), or use a card with 16 GiB.",
    )
