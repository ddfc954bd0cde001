"""What is asked of a card, and how it can hold the model: the values that the search turns one into the other."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Wishes(BaseModel):
    """What the user asked for; None is left to the planner. Tokens, counts, a share of the card."""

    model_config = ConfigDict(frozen=True)
    context: int | None = None
    users: int | None = None
    batched: int | None = None
    utilization: float | None = None


class Fit(BaseModel):
    """How to hold the model on this card. Bytes, tokens, GiB, tokens/s, seconds. `tables_gib` is without what was learnt here.

    `request_s`: 2,000 tokens in and 300 out, by a modest card's rates where this one's are unknown.
    """

    model_config = ConfigDict(frozen=True)
    tier: str
    offloaded: int
    offload_gib: float
    plugin: bool
    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int
    graphs: list[int]
    kv_bytes: int
    kv_tokens: int
    utilization: float
    memory_gib: dict[str, float]
    tables_gib: dict[str, float]
    load_peak_gib: float
    pinned_gib: float
    tok_s: float | None
    first_token_s: float | None
    request_s: float


class Fitting(BaseModel):
    """A fit and what it was made from: kept beside the start plan, so that the next run makes the same."""

    model_config = ConfigDict(frozen=True)
    fit: Fit
    key: str
    learnt: dict[str, float]
