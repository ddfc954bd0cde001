"""Options, environment and reasons that depend on the hardware."""

from __future__ import annotations

import json
import math
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from plan import card as cards
from plan.candidates import Candidate
from plan.evidence import How, Reason
from plan.fit import Fit, Fitting
from plan.machine import Gpu, Machine
from plan.model import Model
from plan.release import Release
from plan.settings import Settings
from plan.shape import GIB
from plan.toml import table

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_USE_FLASHINFER_SAMPLER": "0",  # compiles with nvcc at start since 0.24; plain sampling needs none (vllm #49497)
}
LITTLE_GIB = 0.05  # a lesson that is not worth a sentence
GPU_ENVIRONMENT = {
    "CUBLAS_WORKSPACE_CONFIG": ":4096:2:16:8"
}  # 8 MiB a stream as on small cards; Hopper's own choice is 32
CPU_OPTIONS: dict[str, Any] = {
    "enforce_eager": True,
    "max_model_len": 4096,
    "max_num_seqs": 8,
    "max_num_batched_tokens": 4096,
}
# One process: measured 61 s to healthy instead of 97 s on two cores, and no slower answers (2026-11-22).
CPU_ENVIRONMENT = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
# `parts` and version of vllm_plugin/; a start under another version is another start.
PLUGIN_ENVIRONMENT = {
    "VLLM_WORKSTATION_PLUGIN": "embedding,repack,load,rope",
    "VLLM_WORKSTATION_PLUGIN_VERSION": "1.0.0",
    "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
    "VLLM_WEIGHT_OFFLOADING_DISABLE_PIN_MEMORY": "1",  # still zero-copy, without torch's rounding to powers of two
}


def tuned(
    machine: Machine, settings: Settings, picked: Candidate, model: Model, gpu: Gpu | None
) -> tuple[dict[str, Any], dict[str, str], list[Reason]]:
    """Options, environment and reasons that depend on the hardware."""
    environment = dict(ENVIRONMENT)
    if Version(picked.release.version.public) < Version(
        "0.31"
    ):  # harmony fetches its vocabulary once; keep it over reboots
        environment["TIKTOKEN_RS_CACHE_DIR"] = f"{machine.releases.root}/cache/tiktoken"
    if gpu is None:
        return CPU_OPTIONS | _wishes(settings), environment | CPU_ENVIRONMENT, []
    environment |= GPU_ENVIRONMENT
    if len(machine.gpu.devices) > 1:
        environment |= {"CUDA_VISIBLE_DEVICES": str(gpu.index), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    if picked.fitting is None:
        share = {"gpu_memory_utilization": _plain_share(machine, gpu), "max_num_seqs": 8}
        return (
            share | _wishes(settings) | _dtype(settings),
            environment,
            [Reason(text=f"{model.name} is not known here: vLLM sizes it by itself.")],
        )
    found, reasons = picked.fitting.fit, backend(gpu, picked.release)
    environment |= _offload_environment(machine, found)
    wanted = _fitted(found) | reasons[0]
    if isinstance(settings.async_scheduling, bool):
        wanted["async_scheduling"] = settings.async_scheduling
    return (
        wanted | _dtype(settings),
        environment,
        [*explain(picked.fitting, gpu, picked.release, bool(machine.wsl.version)), *reasons[1]],
    )


def _fitted(found: Fit) -> dict[str, Any]:
    """The options of a fit."""
    graphs = {"mode": 0, "cudagraph_mode": "FULL_DECODE_ONLY", "cudagraph_capture_sizes": found.graphs}
    wanted: dict[str, Any] = {
        "gpu_memory_utilization": found.utilization,
        "max_model_len": found.max_model_len,
        "max_num_seqs": found.max_num_seqs,
        "max_num_batched_tokens": found.max_num_batched_tokens,
        "kv_cache_memory_bytes": found.kv_bytes,
        "compilation_config": json.dumps(graphs, separators=(",", ":")),
    }
    if found.offloaded:
        wanted |= {"cpu_offload_gb": found.offload_gib, "cpu_offload_params": ["experts"]}
    return wanted


def _offload_environment(machine: Machine, found: Fit) -> dict[str, str]:
    environment = {}
    if machine.wsl.version and (found.offloaded or found.plugin):
        environment["VLLM_WSL2_ENABLE_PIN_MEMORY"] = "1"
    if found.plugin:
        environment |= PLUGIN_ENVIRONMENT
    return environment


def backend(gpu: Gpu, release: Release) -> tuple[dict[str, Any], list[Reason]]:
    """Attention and expert kernels that this card has in this release, by plan/backends.toml."""
    version, capability = Version(release.version.public), Version(gpu.compute_capability or "0")
    for row in table("backends")["backend"]:
        if capability in SpecifierSet(row["capability"]) and version in SpecifierSet(row["versions"], prereleases=True):
            wanted = {name: row[name] for name in ("attention_backend", "moe_backend") if name in row}
            return wanted, [Reason(text=row["why"], evidence=row["evidence"], date=row["date"])]
    return {}, []


def explain(fitting: Fitting, gpu: Gpu, release: Release, wsl: bool) -> list[Reason]:
    """The decisions of a fit, a sentence each with how we know."""
    found, known = fitting.fit, release_evidence(release)
    where = (
        f"{found.offloaded / GIB:.2f} GiB of experts lie in host memory (zero-copy)"
        if found.offloaded
        else "All experts lie on the card"
    )
    used = sum(found.memory_gib.values())
    text = f"{where}, so that {found.kv_tokens:,} tokens of KV cache fit into {used:.1f} GiB; context {found.max_model_len:,}."
    told = [Reason(text=text, evidence=known)]
    if found.plugin:
        text = "Our plugin keeps the input embedding in host memory and loads experts in place; answers are the same (0.24.0 on an H200)."
        told.append(Reason(text=text, evidence=known))
    if release.graphs:
        text = "CUDA graphs for decoding only: on an H200 372 tokens/s with all experts on the card, 34 without graphs."
        told.append(Reason(text=text, evidence="measured" if known == "measured" and not wsl else "read"))
    if wsl and found.pinned_gib:
        text = "Graphs are kept in WSL too, and pinned memory is switched on there for what lies in host memory; neither was measured in WSL."
        told.append(Reason(text=text, evidence="read"))
    return [*told, *_defects(found, gpu, release, wsl), *_lessons(fitting)]


def _defects(found: Fit, gpu: Gpu, release: Release, wsl: bool) -> list[Reason]:
    """What is known to be wrong with the release where all that it needs is so here."""
    here = {
        f"sm_{gpu.compute_capability}",
        *(["wsl"] if wsl else []),
        *(["offload"] if found.offloaded and not found.plugin else []),
    }
    return [
        Reason(text=f"Known of vLLM {release.version} ({one.id}): {one.text}.", date=release.date)
        for one in release.defects
        if set(one.applies) <= here
    ]


def _lessons(fitting: Fitting) -> list[Reason]:
    """What earlier starts here changed, and how to forget it."""
    if not any(abs(value) >= LITTLE_GIB for value in fitting.learnt.values()):
        return []
    told = ", ".join(f"{part} {value:+.2f} GiB" for part, value in sorted(fitting.learnt.items()))
    text = f"Earlier starts here took more or less than planned ({told}); remove service/outcomes.json and service/plan.json in root to forget it."
    return [Reason(text=text, evidence="measured")]


def release_evidence(release: Release) -> How:
    """How we know that these means work on this release."""
    return "measured" if release.evidence == "measured" else "read"


def _plain_share(machine: Machine, gpu: Gpu) -> float:
    """For a model of unknown shape: what is free less a reserve, as a share with two digits."""
    seen = cards.of(machine, gpu)
    return max(0.01, min(0.92, math.floor((seen.free_gib - (0.5 if seen.wsl else 0.4)) / seen.total_gib * 100) / 100))


def _wishes(settings: Settings) -> dict[str, Any]:
    """The admin's own values."""
    names = ("gpu_memory_utilization", "max_model_len", "max_num_seqs", "max_num_batched_tokens", "async_scheduling")
    return {name: getattr(settings, name) for name in names if getattr(settings, name) != "auto"}


def _dtype(settings: Settings) -> dict[str, Any]:
    return {"kv_cache_dtype": settings.kv_cache_dtype} if settings.kv_cache_dtype != "auto" else {}
