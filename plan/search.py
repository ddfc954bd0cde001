"""The configuration that this card can hold: as little as possible on the host, then as much KV cache as is left."""

from __future__ import annotations

import math

from packaging.version import Version

from plan import memory, nofit, throughput
from plan.card import Card
from plan.evidence import Refusal
from plan.fit import Fit, Wishes
from plan.memory import Tier, Way
from plan.shape import GIB, Shape, offload_flag

GRAIN = 1024  # tokens: a planned context is a multiple of it
KV_BYTES_SINCE = Version("0.10.2")  # --kv-cache-memory-bytes
GRAPHS = [1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128]  # batch sizes that graphs are captured for
LEAST_CONTEXT = 4096  # tokens for each of a user's users who name no context
WITHOUT_QUEUE = 8  # of them; with more users vLLM lets requests wait


def fit(shape: Shape, card: Card, way: Way, wishes: Wishes) -> Fit | Refusal:
    """The plan for this card with this release, or why there is none and what would be possible."""
    found = soonest(shape, card, way, wishes)
    if found is not None:
        return nofit.share_refusal(card, wishes, found) or found
    anyhow = soonest(
        shape, card.model_copy(update={"pinnable_gib": None}), way.model_copy(update={"pinnable": None}), wishes
    )
    if anyhow is not None:
        return nofit.pinned_refusal(card, way, anyhow)
    return nofit.memory_refusal(shape, card, way, wishes, least(shape, card, way, wishes), soonest)


def soonest(shape: Shape, card: Card, way: Way, wishes: Wishes) -> Fit | None:
    """Of the tiers that fit the one that answers soonest, with as little as possible on the host."""
    rows = [_wished(tier, wishes) for tier in memory.tiers()]
    return _of(shape, card, way, wishes, [tier for tier in rows if not tier.last]) or _of(
        shape, card, way, wishes, [tier for tier in rows if tier.last]
    )


def _of(shape: Shape, card: Card, way: Way, wishes: Wishes, tiers: list[Tier]) -> Fit | None:
    found = []
    for tier in tiers:
        steps = shape.steps if way.offload else [0]
        least = next((step for step in steps if _fits(shape, card, way, tier, step, wishes)), None)
        if least is not None:
            found.append((throughput.request_s(shape, card, least, tier.max_num_batched_tokens), tier, least))
    if not found:
        return None
    _, tier, offloaded = min(found, key=lambda row: round(row[0], 2))  # of equals the first, which is the richest
    return _make(shape, card, way, tier, offloaded, wishes)


def _wished(tier: Tier, wishes: Wishes) -> Tier:
    """A tier with the user's wishes in it: their context for each of their users."""
    seqs = wishes.users or min(tier.max_num_seqs, wishes.batched or tier.max_num_seqs)
    batched = max(wishes.batched or tier.max_num_batched_tokens, seqs)
    graphs = sorted({size for size in GRAPHS if size < seqs} | {min(seqs, GRAPHS[-1])})
    changes = {"max_num_seqs": seqs, "max_num_batched_tokens": batched, "graphs": graphs, "context": wishes.context}
    asked = wishes.users if wishes.context and wishes.users else 1
    each = LEAST_CONTEXT * min(wishes.users or 0, WITHOUT_QUEUE)
    tokens = wishes.context or max(tier.tokens, each)
    return tier.model_copy(update={**changes, "tokens": tokens, "requests": asked})


def _least_kv(shape: Shape, way: Way, tier: Tier) -> int:
    context = min(tier.tokens, shape.context)
    requests = max(tier.requests, tier.tokens // context)
    more = int(max(0.0, way.learnt.get("kv", 0.0)) * GIB)
    return shape.kv_bytes(context, requests, tier.max_num_batched_tokens, way.version) + more


def _fits(shape: Shape, card: Card, way: Way, tier: Tier, offloaded: int, wishes: Wishes) -> bool:
    found = memory.parts(shape, card, way, tier, offloaded)
    budget = nofit.budget(card, wishes)
    steady = sum(found.values()) + _least_kv(shape, way, tier) / GIB
    pinned = memory.pinned_gib(shape, way, offloaded) <= nofit.pinnable(card, way)
    return pinned and steady <= budget and memory.load_peak(card, way, found) <= budget


def least(shape: Shape, card: Card, way: Way, wishes: Wishes) -> float:
    """GiB that the smallest tier needs with as much as possible on the host."""
    tier = _wished(memory.tiers()[-1], wishes)
    found = memory.parts(shape, card, way, tier, shape.steps[-1] if way.offload else 0)
    return max(sum(found.values()) + _least_kv(shape, way, tier) / GIB, memory.load_peak(card, way, found))


def _make(shape: Shape, card: Card, way: Way, tier: Tier, offloaded: int, wishes: Wishes) -> Fit:
    found = memory.parts(shape, card, way, tier, offloaded)
    left = int((nofit.budget(card, wishes) - sum(found.values())) * GIB)
    kv_bytes = left // shape.kv_block_bytes * shape.kv_block_bytes
    context = tier.context or _longest(shape, way, tier, kv_bytes - int(max(0.0, way.learnt.get("kv", 0.0)) * GIB))
    most = shape.kv_bytes(context, max(tier.max_num_seqs, tier.requests), tier.max_num_batched_tokens, way.version)
    kv_bytes = min(kv_bytes, most)  # more than every request at its longest is of no use
    return Fit(
        tier=tier.name,
        offloaded=offloaded,
        offload_gib=offload_flag(offloaded),
        plugin=way.plugin,
        max_model_len=context,
        max_num_seqs=tier.max_num_seqs,
        max_num_batched_tokens=tier.max_num_batched_tokens,
        graphs=tier.graphs,
        kv_bytes=kv_bytes,
        kv_tokens=shape.kv_tokens(kv_bytes, context, tier.max_num_batched_tokens, way.version),
        utilization=_utilization(card, way, found, wishes),
        memory_gib={**found, "kv": kv_bytes / GIB},
        tables_gib=_tables(shape, card, way, tier, offloaded),
        load_peak_gib=memory.load_peak(card, way, found),
        pinned_gib=memory.pinned_gib(shape, way, offloaded),
        tok_s=throughput.tokens_a_second(shape, card, offloaded),
        first_token_s=throughput.first_token_s(shape, card, offloaded, tier.max_num_batched_tokens),
        request_s=throughput.request_s(shape, card, offloaded, tier.max_num_batched_tokens),
    )


def _tables(shape: Shape, card: Card, way: Way, tier: Tier, offloaded: int) -> dict[str, float]:
    """The parts by the tables alone, to compare with what a start will have taken."""
    found = memory.parts(shape, card, way.model_copy(update={"learnt": {}}), tier, offloaded)
    return {name: round(value, 3) for name, value in found.items()}


def _longest(shape: Shape, way: Way, tier: Tier, kv_bytes: int) -> int:
    """The longest context that one request can have in this cache, in whole GRAINs."""
    for context in range(shape.context, GRAIN, -GRAIN):
        if shape.kv_bytes(context, 1, tier.max_num_batched_tokens, way.version) <= kv_bytes:
            return context
    return GRAIN


def _utilization(card: Card, way: Way, found: dict[str, float], wishes: Wishes) -> float:
    """The share of the card that vLLM may take, two digits.

    Where the cache is given in bytes only the start check reads it: what is free once the context is there. Before 0.10.2 it also
    sizes the cache, and graphs are captured beyond it.
    """
    if wishes.utilization:
        return wishes.utilization
    free = card.free_gib - found["context"]
    if way.version < KV_BYTES_SINCE:
        learnt = sum(way.learnt.get(part, 0.0) for part in ("load", "activations", "kv"))
        free -= found["graphs"] + found["reserve"] + learnt
    else:
        free -= found["reserve"] / 2
    return max(0.01, min(0.98, math.floor(free / card.total_gib * 100) / 100))
