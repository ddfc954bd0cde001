"""What earlier starts on this very card taught: parts that took more than the tables say, and starts that failed."""

from __future__ import annotations

import hashlib
import json

from pydantic import BaseModel, ConfigDict

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
LESS_CONTEXT_GIB = 0.3  # a context is not believed to be smaller than planned by more
# The parts of the memory that a failure at this stage says were planned too small.
PARTS = {
    "load": ("load",),
    "profile": ("activations",),
    "kv": ("reserve", "kv"),
    "graphs": ("graphs",),
    "startup": ("context",),
}


class Question(BaseModel):
    """What is planned for: the card with what is free on it, and the build. The same `key` keeps its answer."""

    model_config = ConfigDict(frozen=True)
    name: str
    index: int
    total_mib: int | None
    free_mib: int
    host_mib: int | None
    version: str
    plugin: bool
    key: str


def ask(machine: Machine, gpu: Gpu, release: Release, wishes: Wishes, plugin: bool, dtype: str = "auto") -> Question:
    """The question. Its key is a digest of card, build, wishes and our tables, but not of what is free."""
    version = release.version.public
    text = [gpu.index, gpu.name, gpu.memory_total_mib, version, plugin, dtype, wishes.model_dump()]
    text.append(digest("costs", "shapes", "tiers"))
    return Question(
        name=gpu.name,
        index=gpu.index,
        total_mib=gpu.memory_total_mib,
        free_mib=round(card.free_gib(machine, gpu) * 1024),
        host_mib=machine.system.memory.total_mib,
        version=version,
        plugin=plugin,
        key=hashlib.sha256(json.dumps(text).encode()).hexdigest()[:16],
    )


def stays(machine: Machine, asked: Question) -> bool:
    """Whether the recorded start was planned for this very question, with as much free, and did not fail since."""
    was, spec = records.card(machine), (machine.releases.start or {}).get("spec")
    failed = any(one.spec == spec for one in failures(machine, asked))
    return was.key == asked.key and was.free_mib == asked.free_mib and not failed


def parts(machine: Machine, asked: Question) -> dict[str, float]:
    """GiB to add to parts of the plan. A plan that serves keeps the figures that it was made with.

    A failure proves that its part was planned too small by what the plan had left for it and by what was missing; what is less free
    now than it was then is planned with already.
    """
    if stays(machine, asked):
        return records.card(machine).learnt
    found = _answered(machine, asked)
    for one in failures(machine, asked):
        gone = max(0.0, (one.card.free_mib or 0) - asked.free_mib) / 1024
        missing = max((one.short_mib or 0) + MARGIN_MIB, STEP_MIB) / 1024 + _slack(one) - gone
        for part in PARTS.get(one.stage, ()) if missing > 0 else ():
            found[part] = round(found.get(part, 0.0) + missing, 3)
    return found


def _slack(one: Failure) -> float:
    """GiB that the failed plan left free at that stage, by its own figures."""
    planned = one.card.peaks_gib.get("load" if one.stage == "load" else "steady")
    return 0.0 if planned is None else max(0.0, (one.card.free_mib or 0) / 1024 - planned)


def pinnable(machine: Machine, asked: Question) -> float | None:
    """GiB of host memory that starts here have shown to be too much, less a step; None where none has with this memory."""
    failed = [
        one for one in failures(machine, asked) if one.stage == "pinned" and _near(one.card.host_mib, asked.host_mib)
    ]
    return max(0.0, min(one.card.pinned_gib for one in failed) - PINNED_STEP_GIB) if failed else None


def _near(then: int | None, now: int | None) -> bool:
    return then is None or now is None or abs(then - now) <= records.NEAR_MIB


def failures(machine: Machine, asked: Question) -> list[Failure]:
    """Starts of this build that ran out of memory on this card with no less free than now."""
    return [
        one
        for one in records.failures(machine)
        if _same(one.card, asked) and (one.card.free_mib or 0) > asked.free_mib - card.JITTER_MIB
    ]


def exhausted(machine: Machine, asked: Question) -> Refusal | None:
    """The refusal after STEPS starts for one question, with as much free, that all ran out of memory and none of which answered."""
    tried = [one for one in failures(machine, asked) if one.card.key == asked.key and _as_free(one, asked)]
    if len(tried) < STEPS or stays(machine, asked):
        return None
    return Refusal(
        code="TRIED",
        message=f"{len(tried)} smaller and smaller plans ran out of memory on {asked.name} (the last at stage {tried[-1].stage}: "
        f"{tried[-1].words}).",
        remedy="Free memory on the card or the machine, or ask for less (max_model_len = 4096, max_num_seqs = 1); or remove "
        "service/outcomes.json in root to try all again. Then run this again.",
    )


def _as_free(one: Failure, asked: Question) -> bool:
    return abs((one.card.free_mib or 0) - asked.free_mib) < card.JITTER_MIB


def _same(was: CardRecord, asked: Question) -> bool:
    told = (was.name, was.total_mib, was.index, was.version, was.plugin)
    return told == (asked.name, asked.total_mib, asked.index, asked.version, asked.plugin)


def _answered(machine: Machine, asked: Question) -> dict[str, float]:
    """What the last start that answered was planned with beyond the tables, and took beyond them where its log says so."""
    told = records.measured(machine)
    if told is None or not _same(told.card, asked):
        return {}
    seen, planned = {"weights": told.weights_gib, "graphs": told.graphs_gib}, told.card.tables_gib
    if told.free_mib is not None and told.card.free_mib is not None:
        context = (told.card.free_mib - told.free_mib) / 1024
        seen["context"] = max(context, planned.get("context", 0.0) - LESS_CONTEXT_GIB)
    found = {part: value for part, value in told.card.learnt.items() if part not in seen}
    found |= {
        part: round(value - planned[part], 3) for part, value in seen.items() if value is not None and part in planned
    }
    return found
