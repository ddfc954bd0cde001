"""What earlier starts on this very card taught: parts that took more than the tables say, and starts that failed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from plan import card
from plan.evidence import Refusal
from plan.fit import Wishes
from plan.machine import Gpu, Machine
from plan.release import Release
from plan.toml import digest

STEPS = 4  # smaller and smaller plans that are tried for one question
MARGIN_MIB = 64  # beyond what the failed start said that it lacked
STEP_MIB = 192  # at least so much smaller
# The part of the memory that a failure at this stage says was planned too small.
PARTS = {
    "load": "load",
    "profile": "activations",
    "kv": "reserve",
    "graphs": "graphs",
    "startup": "context",
    "pinned": "pinned",
}


def key(gpu: Gpu, release: Release, wishes: Wishes, plugin: bool) -> str:
    """Digest of the question: card, release, wishes and our tables. The same question keeps its answer."""
    card_, wished = [gpu.index, gpu.name, gpu.memory_total_mib], wishes.model_dump()
    question = [card_, release.name, plugin, wished, digest("costs", "shapes", "tiers")]
    return hashlib.sha256(json.dumps(question).encode()).hexdigest()[:16]


def parts(machine: Machine, gpu: Gpu, release: Release, question: str) -> dict[str, float]:
    """GiB to add to parts of the plan. A plan that serves keeps the figures that it was made with."""
    was, start = card.recorded(machine), machine.releases.start or {}
    failed = failures(machine, gpu, release)
    if was.get("key") == question and not any(one.get("spec") == start.get("spec") for one in failed):
        return {str(name): float(value) for name, value in (was.get("learnt") or {}).items()}
    found = _measured(machine, gpu, release)
    for one in failed:
        part = PARTS.get(one.get("stage", ""))
        if part:
            more = max((one.get("short_mib") or 0) + MARGIN_MIB, STEP_MIB) / 1024
            found[part] = round(found.get(part, 0.0) + more, 3)
    return found


def failures(machine: Machine, gpu: Gpu, release: Release) -> list[dict[str, Any]]:
    """Starts of this release that ran out of memory on this card with no less free than now."""
    free = card.free_gib(machine, gpu) * 1024
    told = (machine.releases.outcomes or {}).get("failures") or []
    return [
        one
        for one in told
        if _same(one.get("card") or {}, gpu, release) and one["card"].get("free_mib", 0) > free - card.JITTER_MIB
    ]


def exhausted(machine: Machine, gpu: Gpu, release: Release, question: str) -> Refusal | None:
    """The refusal after STEPS starts for one question that all ran out of memory."""
    tried = [one for one in failures(machine, gpu, release) if one["card"].get("key") == question]
    if len(tried) < STEPS:
        return None
    return Refusal(
        code="TRIED",
        message=f"{len(tried)} smaller and smaller plans ran out of memory on {gpu.name} (the last at stage {tried[-1].get('stage')}: "
        f"{tried[-1].get('words', '')}).",
        remedy="Close what uses the card or the machine's memory, or ask for less (max_model_len = 4096, max_num_seqs = 1), and run this again.",
    )


def _same(was: dict[str, Any], gpu: Gpu, release: Release) -> bool:
    told = [was.get("name"), was.get("total_mib"), was.get("index"), was.get("release")]
    return told == [gpu.name, gpu.memory_total_mib, gpu.index, release.name]


def _measured(machine: Machine, gpu: Gpu, release: Release) -> dict[str, float]:
    """What the last start that answered took beyond its plan, where it says so: weights and graphs."""
    told = (machine.releases.outcomes or {}).get("measured") or {}
    was = told.get("card") or {}
    if not _same(was, gpu, release):
        return {}
    planned, found = was.get("tables_gib") or {}, {}
    for part in ("weights", "graphs"):
        seen = told.get(f"{part}_gib")
        if isinstance(seen, (int, float)) and part in planned:
            found[part] = round(seen - planned[part], 3)
    return found
