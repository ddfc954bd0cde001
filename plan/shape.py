"""What a model weighs, part by part, and what of it can lie in host memory."""

from __future__ import annotations

from functools import cached_property

from packaging.version import Version
from pydantic import BaseModel, ConfigDict

from plan.toml import table

GIB = 1 << 30
SHORT = 5_000_000  # asked for that much less, so that the offloader stops after the tensor that is meant


class Tensor(BaseModel):
    """One parameter of a layer's experts, bytes."""

    model_config = ConfigDict(frozen=True)
    name: str
    bytes: int


class Shape(BaseModel):
    """One row of plan/shapes.toml, bytes and counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    layers: int
    embedding: int
    head: int
    attention: int
    experts_read: float
    expert_tensors: list[Tensor]
    active_parameters: int
    kv_block_tokens: int
    kv_block_bytes: int
    window: int
    context: int

    @cached_property
    def layer(self) -> int:
        """Bytes of one layer's experts."""
        return sum(tensor.bytes for tensor in self.expert_tensors)

    @property
    def experts(self) -> int:
        """Bytes of all experts."""
        return self.layers * self.layer

    @property
    def weights(self) -> int:
        """Bytes of everything."""
        return self.embedding + self.head + self.attention + self.experts

    @cached_property
    def steps(self) -> list[int]:
        """Bytes of experts that can lie on the host: none, a layer's first tensor, the layer, and so on for each layer."""
        half = self.expert_tensors[0].bytes
        found = [0]
        for layer in range(self.layers):
            found += [layer * self.layer + half, (layer + 1) * self.layer]
        return found

    def blocks(self, tokens: int, batched: int, version: Version) -> int:
        """KV blocks that one request of so many tokens holds: its own, and the window with the tokens of a step."""
        since = Version(table("costs")["kv"]["two_batches_since"])
        ahead = batched * (2 if version >= since else 1)
        seen = min(self.window - 1 + ahead, tokens)
        return -(-tokens // self.kv_block_tokens) + -(-seen // self.kv_block_tokens) + 1

    def kv_tokens(self, kv_bytes: int, context: int, batched: int, version: Version) -> int:
        """Tokens that vLLM says a cache of this size holds at this context ("GPU KV cache size")."""
        blocks = kv_bytes // self.kv_block_bytes - (1 if version >= Version("0.25.0") else 0)
        return int(max(0, blocks) / self.blocks(context, batched, version) * context)

    def kv_bytes(self, context: int, requests: int, batched: int, version: Version) -> int:
        """Least cache for so many requests of this context at once."""
        return (self.blocks(context, batched, version) * requests + 1) * self.kv_block_bytes


def offload_flag(steps_bytes: int) -> float:
    """`--cpu-offload-gb` that makes the offloader stop at this step, GiB with three digits."""
    return round(max(0, steps_bytes - SHORT) / GIB, 3)


def of(name: str) -> Shape | None:
    """The shape of a model by the last part of its name; None for one that we do not know, other formats of ours among them."""
    last = name.rstrip("/").rpartition("/")[2].lower()
    found = (row for row in table("shapes")["shape"] if row["name"] == last)
    return next((Shape.model_validate(row) for row in found), None)
