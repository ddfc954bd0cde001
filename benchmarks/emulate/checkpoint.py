"""A checkpoint of gpt-oss-20b's real names, shapes and types with seeded random values: 13.76 GB in three safetensors files.

    python -m benchmarks.emulate.checkpoint OUT [--model FOLDER] [--layers N] [--seed N]

FOLDER has config.json and the tokenizer. Values keep a forward pass in range: norms 1, activations near 1 after each product,
logits with a spread of about 3, so that greedy decoding has something to choose and experts are chosen evenly. Made on the GPU
where there is one: other values than on the processor, the same each time on either.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.emulate.tensors import SHARDS, Tensor, header, shards, tensors

SCALES = (118, 122)  # exponents with bias 127: products of 2,880 values stay near 1
SPREAD = {"embed_tokens": 1.0, "lm_head": 0.06, "sinks": 1.0, "bias": 0.02}  # standard deviations; else 1/sqrt(inputs)


Fill = Callable[[Tensor], Any]  # what a file can write


def write(folder: Path, config: dict[str, Any], fill: Fill) -> int:
    """All files and their index; returns the bytes of the tensors."""
    parts = shards(tensors(config))
    with ThreadPoolExecutor(len(SHARDS)) as pool:
        list(pool.map(lambda pair: _write(folder / pair[0], pair[1], fill), zip(SHARDS, parts, strict=True)))
    places = {tensor.name: name for name, part in zip(SHARDS, parts, strict=True) for tensor in part}
    total = sum(tensor.size for part in parts for tensor in part)
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1))
    return total


def _write(path: Path, part: list[Tensor], fill: Fill) -> None:
    with path.open("wb") as file:
        file.write(header(part))
        for tensor in part:
            file.write(fill(tensor))


def random(seed: int) -> Fill:
    """Values by torch: each tensor from its own name and the seed, so that fewer layers are the same layers."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"

    def fill(tensor: Tensor) -> Any:
        chosen = torch.Generator(device).manual_seed(seed ^ zlib.crc32(tensor.name.encode()))
        if tensor.dtype == "BF16":
            return _bytes(torch, _normal(torch, tensor, chosen, device))
        if tensor.name.endswith("_scales"):
            return _bytes(
                torch, torch.randint(*SCALES, tensor.shape, dtype=torch.uint8, device=device, generator=chosen)
            )
        words = torch.empty(tensor.size // 8, dtype=torch.int64, device=device)  # eight bytes a draw
        return _bytes(torch, words.random_(-(1 << 63), None, generator=chosen))

    return fill


def _bytes(torch: Any, values: Any) -> Any:
    return values.reshape(-1).view(torch.uint8).cpu().numpy()


def _normal(torch: Any, tensor: Tensor, chosen: Any, device: str) -> Any:
    if "norm" in tensor.name:
        return torch.ones(tensor.shape, dtype=torch.bfloat16, device=device)
    spread = next((value for word, value in SPREAD.items() if word in tensor.name), tensor.shape[-1] ** -0.5)
    return torch.randn(tensor.shape, dtype=torch.bfloat16, device=device, generator=chosen) * spread


def cut(config: dict[str, Any], layers: int) -> dict[str, Any]:
    """The configuration of the first so many layers."""
    return {**config, "num_hidden_layers": layers, "layer_types": config["layer_types"][:layers]}


def main(argv: list[str]) -> None:
    """Make OUT."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("out", type=Path)
    made.add_argument("--model", type=Path, default=Path("/tmp/model"))
    made.add_argument("--layers", type=int)
    made.add_argument("--seed", type=int, default=20)
    options = made.parse_args(argv)
    since = time.monotonic()
    weights = shutil.ignore_patterns("*.safetensors*")
    shutil.copytree(options.model, options.out, dirs_exist_ok=True, ignore=weights, copy_function=shutil.copyfile)
    config = json.loads((options.model / "config.json").read_text())
    config = cut(config, options.layers) if options.layers else config
    (options.out / "config.json").write_text(json.dumps(config, indent=1))
    total = write(options.out, config, random(options.seed))
    print(f"{options.out}: {total / 1e9:.2f} GB in {time.monotonic() - since:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
