"""The server's command line and environment, for the chosen release on this machine."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version
from pydantic import BaseModel, ConfigDict

from plan import card as cards
from plan.evidence import How, Reason
from plan.fit import Fit
from plan.machine import Gpu, Machine
from plan.model import Model
from plan.release import Candidate, Release
from plan.settings import Settings
from plan.toml import table

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_USE_FLASHINFER_SAMPLER": "0",  # compiles with nvcc at start since 0.24; plain sampling needs none (vllm #49497)
}
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


class Serve(BaseModel):
    """How to start the server. `spec` changes whenever any of it does."""

    model_config = ConfigDict(frozen=True)
    arguments: list[str]
    environment: dict[str, str]
    spec: str
    reasons: list[Reason]
    card: dict[str, Any] | None = None


def options(version: Version, wanted: dict[str, Any]) -> tuple[list[str], dict[str, str], list[str]]:
    """(arguments, environment, names that this version has no form for) of wanted options, in the table's order."""
    arguments: list[str] = []
    environment: dict[str, str] = {}
    done = set()
    for row in table("flags")["option"]:
        value = wanted.get(row["name"])
        if value is None or not Version(row.get("since", "0")) <= version < Version(row.get("until", "999")):
            continue
        done.add(row["name"])
        if "env" in row:
            environment[row["env"]] = row.get("values", {}).get(value, str(value))
        else:
            arguments += _argument(row, value)
    return (
        arguments,
        environment,
        sorted(name for name, value in wanted.items() if value is not None and name not in done),
    )


def _argument(row: dict[str, Any], value: Any) -> list[str]:
    if value is True:
        return [row["flag"]]
    if value is False:
        return [row["off"]] if "off" in row else []
    return [row["flag"], *([str(v) for v in value] if isinstance(value, list) else [str(value)])]


def render(machine: Machine, settings: Settings, picked: Candidate, lock: str, model: Model, gpu: Gpu | None) -> Serve:
    """The start of this release with this model."""
    version = Version(picked.release.version.public)
    wanted: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "served_model_name": model.served if settings.served_model_name == "auto" else settings.served_model_name,
    }
    options_, environment, reasons = tuned(machine, settings, picked, model, gpu)
    wanted |= options_ | _effort(settings, model, environment, machine)
    if wanted.get("async_scheduling") is True and version >= Version("0.14"):
        wanted.pop("async_scheduling")  # on by default since 0.14
    arguments, more, missing = options(version, wanted)
    reasons = [*reasons, *(Reason(text=f"vLLM {version} has no {name}; left out.") for name in missing)]
    arguments = ["serve", model.directory, *arguments]
    environment |= more
    spec = _spec(lock, model, arguments, environment, settings.require_api_key)
    planned = _card(machine, gpu, picked) if gpu else None
    return Serve(arguments=arguments, environment=environment, spec=spec, reasons=reasons, card=planned)


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
            share | _wishes(settings),
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
        [*explain(found, gpu, picked.release, bool(machine.wsl.version)), *reasons[1]],
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


def explain(found: Fit, gpu: Gpu, release: Release, wsl: bool) -> list[Reason]:
    """The decisions of a fit, a sentence each."""
    free = sum(found.memory_gib.values())
    host = (
        f"{found.offloaded / (1 << 30):.2f} GiB of experts lie in host memory (zero-copy)"
        if found.offloaded
        else "all experts lie on the card"
    )
    texts = [
        f"{host}, so that {found.kv_tokens:,} tokens of KV cache fit into {free:.1f} GiB; context {found.max_model_len:,}."
    ]
    texts += (
        [
            f"our plugin keeps the input embedding in host memory and repacks experts in place (proven on vLLM {release.version})."
        ]
        if found.plugin
        else []
    )
    texts += (
        ["CUDA graphs for decoding only, without torch.compile: 11 times faster than eager and 0.1 GiB."]
        if release.graphs
        else []
    )
    texts += (
        ["Graphs are kept in WSL too; pinned memory is switched on there for weights in host memory."]
        if wsl and found.pinned_gib
        else []
    )
    return [Reason(text=text[0].upper() + text[1:], evidence=release_evidence(release)) for text in texts]


def release_evidence(release: Release) -> How:
    """How we know that these means work on this release."""
    return "measured" if release.evidence == "measured" else "read"


def _plain_share(machine: Machine, gpu: Gpu) -> float:
    """For a model of unknown shape: what is free less a reserve, as a share with two digits."""
    seen = cards.of(machine, gpu)
    return max(0.01, min(0.92, math.floor((seen.free_gib - (0.5 if seen.wsl else 0.4)) / seen.total_gib * 100) / 100))


def _card(machine: Machine, gpu: Gpu, picked: Candidate) -> dict[str, Any]:
    """The card as it was planned for; kept in plan.json so that the next run plans with the same figures."""
    free = round(cards.free_gib(machine, gpu) * 1024)
    told: dict[str, Any] = {"index": gpu.index, "name": gpu.name, "total_mib": gpu.memory_total_mib, "free_mib": free}
    told["release"] = picked.release.name
    if picked.fitting:
        told |= {
            "key": picked.fitting.key,
            "learnt": picked.fitting.learnt,
            "tables_gib": picked.fitting.fit.tables_gib,
        }
    return told


def _wishes(settings: Settings) -> dict[str, Any]:
    """The admin's own values."""
    names = ("gpu_memory_utilization", "max_model_len", "max_num_seqs", "max_num_batched_tokens", "async_scheduling")
    return {name: getattr(settings, name) for name in names if getattr(settings, name) != "auto"}


def _dtype(settings: Settings) -> dict[str, Any]:
    return {"kv_cache_dtype": settings.kv_cache_dtype} if settings.kv_cache_dtype != "auto" else {}


def _effort(settings: Settings, model: Model, environment: dict[str, str], machine: Machine) -> dict[str, Any]:
    """The default reasoning effort, which vLLM has no option for."""
    if settings.reasoning_effort == "auto" or not model.is_gpt_oss:
        return {}
    environment |= {
        "VLLM_WORKSTATION_REASONING_EFFORT": settings.reasoning_effort,
        "PYTHONPATH": f"{machine.releases.root}/lib",
    }
    return {"middleware": "vllm_workstation_defaults.ReasoningEffort"}


def _spec(lock: str, model: Model, arguments: list[str], environment: dict[str, str], key: bool) -> str:
    text = json.dumps([lock, model.revision, arguments, environment, key], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
