"""The tensors of gpt-oss-20b as its files have them: those that vLLM's gpt_oss.load_weights takes (0.24.0)."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from math import prod
from typing import Any

SHARDS = ["model-00000-of-00002.safetensors", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
BYTES = {"BF16": 2, "U8": 1}


@dataclass(frozen=True)
class Tensor:
    """One tensor of the checkpoint."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return prod(self.shape) * BYTES[self.dtype]


def tensors(config: dict[str, Any]) -> list[Tensor]:
    """All tensors of a model of this configuration."""
    hidden, words = config["hidden_size"], config["vocab_size"]
    found = [
        Tensor("model.embed_tokens.weight", "BF16", (words, hidden)),
        Tensor("lm_head.weight", "BF16", (words, hidden)),
    ]
    found.append(Tensor("model.norm.weight", "BF16", (hidden,)))
    for number in range(config["num_hidden_layers"]):
        found += [Tensor(f"model.layers.{number}.{t.name}", t.dtype, t.shape) for t in _layer(config)]
    return sorted(found, key=lambda tensor: tensor.name)


def _layer(config: dict[str, Any]) -> list[Tensor]:
    hidden, inner, experts = config["hidden_size"], config["intermediate_size"], config["num_local_experts"]
    heads, kv = (config[name] * config["head_dim"] for name in ("num_attention_heads", "num_key_value_heads"))
    found = [Tensor(f"{name}_layernorm.weight", "BF16", (hidden,)) for name in ("input", "post_attention")]
    found.append(Tensor("self_attn.sinks", "BF16", (config["num_attention_heads"],)))
    for name, out, into in (("q", heads, hidden), ("k", kv, hidden), ("v", kv, hidden), ("o", hidden, heads)):
        found += _linear(f"self_attn.{name}_proj", out, into)
    found += _linear("mlp.router", experts, hidden)
    for name, out, into in (("gate_up", 2 * inner, hidden), ("down", hidden, inner)):
        place = f"mlp.experts.{name}_proj"
        found.append(Tensor(f"{place}_blocks", "U8", (experts, out, into // 32, 16)))
        found.append(Tensor(f"{place}_scales", "U8", (experts, out, into // 32)))
        found.append(Tensor(f"{place}_bias", "BF16", (experts, out)))
    return found


def _linear(name: str, out: int, into: int) -> list[Tensor]:
    return [Tensor(f"{name}.weight", "BF16", (out, into)), Tensor(f"{name}.bias", "BF16", (out,))]


def shards(found: list[Tensor]) -> list[list[Tensor]]:
    """Thirds of about the same size, in order of the names as in the real ones."""
    total, done = sum(tensor.size for tensor in found), 0
    parts: list[list[Tensor]] = [[] for _ in SHARDS]
    for tensor in found:
        parts[min(done * len(SHARDS) // total, len(SHARDS) - 1)].append(tensor)
        done += tensor.size
    return parts


def header(part: list[Tensor]) -> bytes:
    """The start of a safetensors file: a length, then names, types, shapes, places."""
    told: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in part:
        told[tensor.name] = {
            "dtype": tensor.dtype,
            "shape": tensor.shape,
            "data_offsets": [offset, offset + tensor.size],
        }
        offset += tensor.size
    words = json.dumps(told, separators=(",", ":")).encode()
    words += b" " * (-len(words) % 8)
    return struct.pack("<Q", len(words)) + words
