"""The files of the Hugging Face stand-in: openai/gpt-oss-20b at two revisions.

Names as in the real repository; the weights are 1 to 24 MB each of valid safetensors. What differs
between the revisions: chat_template.jinja and README.md. The etags are the real ones' kind: git's
blob id for small files, SHA-256 for large (LFS) ones.
"""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

REPO = "openai/gpt-oss-20b"
SITE = "huggingface.co"
_SHARDS = [f"model-0000{i}-of-00002.safetensors" for i in range(3)]
_LAYERS = ["sliding_attention", "full_attention"] * 12
_CONFIG = {
    "architectures": ["GptOssForCausalLM"], "attention_bias": True, "attention_dropout": 0.0,
    "eos_token_id": 200002, "experts_per_token": 4, "head_dim": 64, "hidden_act": "silu",
    "hidden_size": 2880, "initial_context_length": 4096, "initializer_range": 0.02,
    "intermediate_size": 2880, "layer_types": _LAYERS, "max_position_embeddings": 131072,
    "model_type": "gpt_oss", "num_attention_heads": 64, "num_experts_per_tok": 4,
    "num_hidden_layers": 24, "num_key_value_heads": 8, "num_local_experts": 32,
    "output_router_logits": False, "pad_token_id": 199999,
    "quantization_config": {
        "modules_to_not_convert": [
            "model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"
        ],
        "quant_method": "mxfp4",
    },
    "rms_norm_eps": 1e-05, "rope_scaling": {
        "beta_fast": 32.0, "beta_slow": 1.0, "factor": 32.0,
        "original_max_position_embeddings": 4096, "rope_type": "yarn", "truncate": False,
    },
    "rope_theta": 150000, "router_aux_loss_coef": 0.9, "sliding_window": 128,
    "swiglu_limit": 7.0, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    "use_cache": True, "vocab_size": 201088,
}  # fmt: skip
_GENERATION = {
    "bos_token_id": 199998, "do_sample": True, "eos_token_id": [200002, 199999, 200012],
    "pad_token_id": 199999,
}  # fmt: skip


def revision(number: int) -> str:
    """The commit id of revision 1 (old) or 2 (main)."""
    return hashlib.sha1(f"standin revision {number}".encode()).hexdigest()


def build(www: Path) -> None:
    """Both revisions under WWW, with facts.json for the handler."""
    facts: dict[str, object] = {"refs": {"main": revision(2)}, "revisions": {}}
    every: dict[str, list[dict[str, object]]] = {}
    for number in (1, 2):
        directory = www / SITE / revision(number)
        entries = []
        for name, data in _files(number).items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_bytes(data)
            entries.append(_entry(name, data))
        every[revision(number)] = entries
    facts["revisions"] = every
    (www / SITE / "facts.json").write_text(json.dumps(facts))


def _entry(name: str, data: bytes) -> dict[str, object]:
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    sha256 = hashlib.sha256(data).hexdigest()
    large = name.endswith((".safetensors", ".bin", "tokenizer.json"))
    return {"path": name, "size": len(data), "blob": blob, "sha256": sha256 if large else None}


def _files(number: int) -> dict[str, bytes]:
    files = {
        "config.json": _json(_CONFIG),
        "generation_config.json": _json(_GENERATION),
        "tokenizer.json": _json({"version": "1.0", "model": {"type": "BPE", "vocab": {}}}),
        "tokenizer_config.json": _json({"model_max_length": 131072, "pad_token": "<|endoftext|>"}),
        "special_tokens_map.json": _json({"eos_token": "<|return|>"}),
        "chat_template.jinja": f"{{# standin, revision {number} #}}\n".encode(),
        "README.md": f"# gpt-oss-20b, stand-in, revision {number}\n".encode(),
        "LICENSE": b"stand-in for the Apache License 2.0\n",
        "USAGE_POLICY": b"stand-in\n",
        ".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n",
        "original/config.json": _json({"num_hidden_layers": 24}),
        "original/dtypes.json": _json({"embedding.weight": "BF16"}),
        "original/model.safetensors": _shard("original", 300_000),
        "metal/model.bin": b"standin" * 50_000,
    }
    weights = {f"model.layers.{i}.mlp.router.weight": _SHARDS[i] for i in range(3)}
    sizes = (1_000_000, 24_000_000, 1_000_000)  # the second is large enough to be resumed (10 MB pieces)
    total = sum(sizes)
    index = {"metadata": {"total_size": total}, "weight_map": weights}
    files["model.safetensors.index.json"] = _json(index)
    for i, name in enumerate(_SHARDS):
        files[name] = _shard(f"model.layers.{i}.mlp.router.weight", sizes[i])
    return files


def _shard(tensor: str, size: int) -> bytes:
    """A valid safetensors file: 8 bytes of length, a JSON header, the data."""
    header = {tensor: {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    block = hashlib.shake_256(tensor.encode()).digest(size)
    return struct.pack("<Q", len(text)) + text + block


def _json(value: object) -> bytes:
    return json.dumps(value, indent=2).encode() + b"\n"
