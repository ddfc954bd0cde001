"""The random checkpoint: names, shapes, and a file that safetensors can read."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from benchmarks.emulate import checkpoint, tensors

# What decides the shapes of openai/gpt-oss-20b (its config.json).
CONFIG: dict[str, Any] = {
    "hidden_size": 2880, "intermediate_size": 2880, "num_local_experts": 32, "num_attention_heads": 64, "num_key_value_heads": 8,
    "head_dim": 64, "num_hidden_layers": 24, "vocab_size": 201088, "layer_types": ["sliding_attention", "full_attention"] * 12,
}  # fmt: skip
SMALL = {
    **CONFIG,
    "hidden_size": 64,
    "intermediate_size": 64,
    "vocab_size": 100,
    "num_local_experts": 2,
    "num_hidden_layers": 2,
}


def test_the_real_size() -> None:
    found = tensors.tensors(CONFIG)
    assert len(found) == 459
    assert sum(tensor.size for tensor in found) == 13_761_264_768  # metadata.total_size of the real index


def test_the_experts_as_vllm_takes_them() -> None:
    shapes = {tensor.name: (tensor.dtype, tensor.shape) for tensor in tensors.tensors(CONFIG)}
    place = "model.layers.23.mlp.experts."
    assert shapes[f"{place}gate_up_proj_blocks"] == ("U8", (32, 5760, 90, 16))
    assert shapes[f"{place}gate_up_proj_scales"] == ("U8", (32, 5760, 90))
    assert shapes[f"{place}gate_up_proj_bias"] == ("BF16", (32, 5760))
    assert shapes[f"{place}down_proj_blocks"] == ("U8", (32, 2880, 90, 16))
    assert shapes["model.layers.0.self_attn.o_proj.weight"] == ("BF16", (2880, 4096))


def test_three_files_of_about_a_third() -> None:
    sizes = [sum(tensor.size for tensor in part) for part in tensors.shards(tensors.tensors(CONFIG))]
    assert len(sizes) == 3
    assert max(sizes) < 4.9e9


def test_files_and_index_agree(tmp_path: Path) -> None:
    total = checkpoint.write(tmp_path, SMALL, lambda tensor: bytes(tensor.size))
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == total
    for name in tensors.SHARDS:
        body = (tmp_path / name).read_bytes()
        (length,) = struct.unpack("<Q", body[:8])
        told = json.loads(body[8 : 8 + length])
        told.pop("__metadata__")
        assert {tensor for tensor, file in index["weight_map"].items() if file == name} == set(told)
        assert max(row["data_offsets"][1] for row in told.values()) == len(body) - 8 - length
        assert length % 8 == 0


def test_fewer_layers_are_a_valid_configuration() -> None:
    found = checkpoint.cut(CONFIG, 3)
    assert (found["num_hidden_layers"], len(found["layer_types"])) == (3, 3)
