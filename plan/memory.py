"""What a server takes of a card, part by part, GiB."""

from __future__ import annotations

from packaging.version import Version
from pydantic import BaseModel, ConfigDict

from plan.card import Card
from plan.shape import GIB, Shape
from plan.toml import table


class Way(BaseModel):
    """What of the planner's means a release has, and what earlier starts on this machine taught (GiB by part)."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)
    version: Version
    plugin: bool = False
    offload: bool = False
    graphs: bool = True
    learnt: dict[str, float] = {}
    pinnable: float | None = None


class Tier(BaseModel):
    """One row of plan/tiers.toml, or a user's own wishes over it."""

    model_config = ConfigDict(frozen=True)
    name: str
    tokens: int
    max_num_seqs: int
    max_num_batched_tokens: int
    graphs: list[int] = []
    last: bool = False
    context: int | None = None
    requests: int = 1


def tiers() -> list[Tier]:
    """The table, richest first."""
    return [Tier.model_validate(row) for row in table("tiers")["tier"]]


def parts(shape: Shape, card: Card, way: Way, tier: Tier, offloaded: int) -> dict[str, float]:
    """GiB by part, but for the KV cache."""
    costs, where = table("costs"), "wsl" if card.wsl else "native"
    weights = shape.weights - offloaded - (shape.embedding if way.plugin else 0)
    step = costs["activations"]
    found = {
        "context": costs["context"][where],
        "weights": weights / GIB + costs["weights"]["in_place" if way.plugin else "plain"],
        "activations": step["base"]
        + step["per_1k_tokens"] * tier.max_num_batched_tokens / 1024
        + step["per_sequence"] * tier.max_num_seqs,
        "graphs": _graphs(way, tier),
        "reserve": costs["reserve"]["wsl" if card.wsl else "desktop" if card.shared else "native"],
    }
    return {name: max(0.0, value + way.learnt.get(name, 0.0)) for name, value in found.items()}


def _graphs(way: Way, tier: Tier) -> float:
    costs = table("costs")["graphs"]
    per_size: float = costs["per_size"]
    return float(costs["base"] + per_size * len(tier.graphs) if way.graphs else costs["compiled"])


def load_peak(card: Card, way: Way, found: dict[str, float]) -> float:
    """GiB at the worst moment of loading, when the last layer is repacked and nothing else is there yet."""
    transient: float = table("costs")["load"]["in_place" if way.plugin else "plain"]
    return float(found["context"] + found["weights"] + transient + way.learnt.get("load", 0.0) + found["reserve"])


def pinned_gib(shape: Shape, way: Way, offloaded: int) -> float:
    """Host memory that gets pinned, with what torch's rounding to powers of two adds."""
    host = table("costs")["host"]
    if way.plugin:  # its start allocates exactly
        return float((offloaded + shape.embedding) * host["exact_rounding"] / GIB)
    return float(offloaded * host["pinned_rounding"] / GIB)
