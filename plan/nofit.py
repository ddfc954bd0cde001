"""Why a card cannot do what is asked, in numbers, and the nearest that it can."""

from __future__ import annotations

import math
from collections.abc import Callable

from plan.card import Card
from plan.evidence import Refusal
from plan.fit import Fit, Wishes
from plan.memory import Way
from plan.shape import GIB, Shape

Soonest = Callable[[Shape, Card, Way, Wishes], "Fit | None"]


def budget(card: Card, wishes: Wishes) -> float:
    """GiB that may be used in all."""
    return min(card.free_gib, wishes.utilization * card.total_gib if wishes.utilization else card.free_gib)


def pinnable(card: Card, way: Way) -> float:
    """GiB of host memory that may be pinned: what the machine lends, and what starts here have not shown to be too much."""
    known = [limit for limit in (card.pinnable_gib, way.pinnable) if limit is not None]
    return min(known, default=math.inf)


def share_refusal(card: Card, wishes: Wishes, found: Fit) -> Refusal | None:
    """Where gpu_memory_utilization is more than vLLM's start check will find free."""
    if wishes.utilization is None or wishes.utilization * card.total_gib <= card.free_gib - found.memory_gib["context"]:
        return None
    most = (card.free_gib - found.memory_gib["context"]) / card.total_gib
    return Refusal(
        code="VRAM",
        message=f"gpu_memory_utilization = {wishes.utilization} is {wishes.utilization * card.total_gib:.1f} of {card.total_gib:.1f} GiB; "
        f"{card.free_gib:.1f} GiB are free on {card.name}, and {found.memory_gib['context']:.1f} GiB of them go to CUDA first.",
        remedy=f"Possible here: gpu_memory_utilization = {math.floor(most * 100) / 100} or less; auto is planned for what is free.",
        missing_gib=wishes.utilization * card.total_gib - most * card.total_gib,
    )


def pinned_refusal(card: Card, way: Way, found: Fit) -> Refusal:
    """Where the fit pins more host memory than the machine lends."""
    tried = "can be pinned (tried)" if card.pin_probed or way.pinnable is not None else "can be pinned"
    total = f"of {card.host_gib:.1f} GiB, " if card.host_gib else ""
    return Refusal(
        code="RAM",
        message=f"with {card.free_gib:.1f} GiB free on the card, {found.pinned_gib:.1f} GiB of host memory must be pinned for the rest of "
        f"the model; {total}{pinnable(card, way):.1f} GiB {tried}.",
        remedy="Free memory on the card or give the machine more (in WSL: memory= in .wslconfig on the Windows side, then wsl --shutdown); "
        "remove pinned.json from root where it exists, and run this again.",
        missing_gib=found.pinned_gib - pinnable(card, way),
    )


def memory_refusal(shape: Shape, card: Card, way: Way, wishes: Wishes, needed: float, soonest: Soonest) -> Refusal:
    """What it would take, what there is, and the nearest that is possible."""
    offloaded = shape.steps[-1] if way.offload else 0
    where = (
        f" with {offloaded / GIB:.1f} GiB of it in host memory"
        if offloaded
        else f", and vLLM {way.version} cannot keep a part in host memory"
    )
    asked = _asked(wishes)
    nearest = _nearest(shape, card, way, wishes, soonest) if asked else None
    return Refusal(
        code="VRAM",
        message=f"{card.name} has {budget(card, wishes):.1f} GiB {'to use' if wishes.utilization else 'free'}; {shape.name}{asked} "
        f"needs {needed:.1f} GiB{where}.",
        missing_gib=needed - budget(card, wishes),
        remedy=nearest or "Close what uses the card (nvidia-smi lists it) and run this again, or set engine = cpu.",
    )


def _asked(wishes: Wishes) -> str:
    """The wishes in words; empty where there are none."""
    words = {"max_model_len": wishes.context, "max_num_seqs": wishes.users, "max_num_batched_tokens": wishes.batched}
    words["gpu_memory_utilization"] = wishes.utilization  # type: ignore[assignment]
    told = [f"{name} = {value}" for name, value in words.items() if value is not None]
    return f" with {' and '.join(told)}" if told else ""


def _nearest(shape: Shape, card: Card, way: Way, wishes: Wishes, soonest: Soonest) -> str | None:
    """A wish that can be had in its place; None where nothing helps."""
    smaller = [context for context in (65536, 32768, 16384, 8192, 4096) if context < (wishes.context or 0)]
    tried = [wishes.model_copy(update={"context": context}) for context in smaller]
    tried += [
        wishes.model_copy(update=more)
        for more in ({"users": None}, {"context": None}, {"context": None, "users": None})
    ]
    for wish in tried:
        found = soonest(shape, card, way, wish) if wish != wishes else None
        if found:
            return f"Possible here: max_model_len = {found.max_model_len} with max_num_seqs = {found.max_num_seqs}."
    return None
