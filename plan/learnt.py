"""What earlier starts on this very card taught: parts that took more than the tables say, and starts that failed."""

from __future__ import annotations

import hashlib
import json

from plan import card, records
from plan.evidence import Refusal
from plan.fit import Wishes
from plan.machine import Gpu, Machine
from plan.records import CardRecord, Failure
from plan.release import Release
from plan.toml import digest

STEPS = 4  # smaller and smaller plans that are tried for one question
MARGIN_MIB = 64  # beyond what the failed start said that it lacked
STEP_MIB = 192  # at least so much smaller
PINNED_STEP_GIB = 0.25  # less host memory than what could not be pinned
# The parts of the memory that a failure at this stage says were planned too small.
PARTS = {
    "load": ("load",),
    "profile": ("activations",),
    "kv": ("reserve", "kv"),
    "graphs": ("graphs",),
    "startup": ("context",),
}


def key(gpu: Gpu, release: Release, wishes: Wishes, plugin: bool) -> str:
    """Digest of the question: card, release, wishes and our tables. The same question keeps its answer."""
    card_, wished = [gpu.index, gpu.name, gpu.memory_total_mib], wishes.model_dump()
    question = [card_, release.name, plugin, wished, digest("costs", "shapes", "tiers")]
    return hashlib.sha256(json.dumps(question).encode()).hexdigest()[:16]


def parts(machine: Machine, gpu: Gpu, release: Release, question: str) -> dict[str, float]:
    """GiB to add to parts of the plan. A plan that serves keeps the figures that it was made with.

    A failure proves that its part was planned too small by what the plan had left for it and by what was missing.
    """
    was, start = records.card(machine), machine.releases.start or {}
    failed = failures(machine, gpu, release)
    if was.key == question and not any(one.spec == start.get("spec") for one in failed):
        return was.learnt
    found = _measured(machine, gpu, release)
    for one in failed:
        missing = max((one.short_mib or 0) + MARGIN_MIB, STEP_MIB) / 1024 + _slack(one)
        for part in PARTS.get(one.stage, ()):
            found[part] = round(found.get(part, 0.0) + missing, 3)
    return found


def _slack(one: Failure) -> float:
    """GiB that the failed plan left free at that stage, by its own figures."""
    planned = one.card.peaks_gib.get("load" if one.stage == "load" else "steady")
    return 0.0 if planned is None else max(0.0, (one.card.free_mib or 0) / 1024 - planned)


def pinnable(machine: Machine, gpu: Gpu, release: Release) -> float | None:
    """GiB of host memory that starts here have shown to be too much, less a step; None where none has."""
    failed = [one.card.pinned_gib for one in failures(machine, gpu, release) if one.stage == "pinned"]
    return max(0.0, min(failed) - PINNED_STEP_GIB) if failed else None


def failures(machine: Machine, gpu: Gpu, release: Release) -> list[Failure]:
    """Starts of this release that ran out of memory on this card with no less free than now."""
    free = card.free_gib(machine, gpu) * 1024
    return [
        one
        for one in records.failures(machine)
        if _same(one.card, gpu, release) and (one.card.free_mib or 0) > free - card.JITTER_MIB
    ]


def exhausted(machine: Machine, gpu: Gpu, release: Release, question: str) -> Refusal | None:
    """The refusal after STEPS starts for one question that all ran out of memory."""
    tried = [one for one in failures(machine, gpu, release) if one.card.key == question]
    if len(tried) < STEPS:
        return None
    return Refusal(
        code="TRIED",
        message=f"{len(tried)} smaller and smaller plans ran out of memory on {gpu.name} (the last at stage {tried[-1].stage}: "
        f"{tried[-1].words}).",
        remedy="Close what uses the card or the machine's memory, or ask for less (max_model_len = 4096, max_num_seqs = 1), and run this again.",
    )


def _same(was: CardRecord, gpu: Gpu, release: Release) -> bool:
    told = (was.name, was.total_mib, was.index, was.release)
    return told == (gpu.name, gpu.memory_total_mib, gpu.index, release.name)


def _measured(machine: Machine, gpu: Gpu, release: Release) -> dict[str, float]:
    """What the last start that answered took beyond its plan, where it says so: weights and graphs."""
    told = records.measured(machine)
    if told is None or not _same(told.card, gpu, release):
        return {}
    seen = {"weights": told.weights_gib, "graphs": told.graphs_gib}
    planned = told.card.tables_gib
    return {
        part: round(value - planned[part], 3) for part, value in seen.items() if value is not None and part in planned
    }
