"""The server's command line and environment, for the chosen release on this machine."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from packaging.version import Version
from pydantic import BaseModel, ConfigDict

from plan import memory
from plan.evidence import Reason, Refusal
from plan.machine import Gpu, Machine
from plan.model import Model
from plan.release import Release
from plan.settings import Settings
from plan.toml import table

# Attention with sinks and MXFP4 experts on everything but Hopper and data-centre Blackwell (vllm.md section 2, read and measured).
TRITON_MARLIN = ("8.", "12.")
CPU_KV_GIB = 1


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


def render(
    machine: Machine, settings: Settings, release: Release, lock: str, model: Model, card: Gpu | None
) -> Serve | Refusal:
    """The start of this release with this model. Refused where the card cannot."""
    base = Version(release.version.public)
    wanted: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "served_model_name": model.served if settings.served_model_name == "auto" else settings.served_model_name,
    }
    environment = {
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_USE_FLASHINFER_SAMPLER": "0",
    }
    reasons: list[Reason] = []
    if card is None:
        wanted |= {"enforce_eager": True, "max_model_len": 4096, "max_num_seqs": 8, "max_num_batched_tokens": 4096}
        # One process: measured 61 s to healthy instead of 97 s on two cores, and no slower answers (2026-11-22).
        environment |= {"VLLM_CPU_KVCACHE_SPACE": str(CPU_KV_GIB), "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
    else:
        fitted = _fit(machine, card)
        if isinstance(fitted, Refusal):
            return fitted
        wanted |= (
            fitted[0]
            if model.is_gpt_oss
            else {"gpu_memory_utilization": fitted[0]["gpu_memory_utilization"], "max_num_seqs": 8}
        )
        environment |= fitted[1]
        reasons += fitted[2]
    if settings.max_model_len != "auto" or settings.gpu_memory_utilization != "auto":
        wanted.pop("kv_cache_memory_bytes", None)  # the admin sizes the KV cache
    wanted |= _wishes(settings, model, environment, machine)
    if isinstance(settings.async_scheduling, bool) and base >= Version("0.14") and settings.async_scheduling:
        wanted.pop("async_scheduling")  # on by default since 0.14
    arguments, more, missing = options(base, wanted)
    if base < Version("0.31"):  # harmony fetches its vocabulary once; keep it over reboots
        environment["TIKTOKEN_RS_CACHE_DIR"] = f"{machine.releases.root}/cache/tiktoken"
    reasons += [Reason(text=f"vLLM {base} has no {name}; left out.") for name in missing]
    environment |= more
    arguments = ["serve", model.directory, *arguments]
    planned = _card(machine, card) if card else None
    spec = _spec(lock, model, arguments, environment, settings.require_api_key)
    return Serve(arguments=arguments, environment=environment, spec=spec, reasons=reasons, card=planned)


def _card(machine: Machine, card: Gpu) -> dict[str, Any]:
    """The card as it was planned for; kept in plan.json so that the next run plans with the same figures."""
    free = round(memory.free_gib(machine, card) * 1024)
    return {"index": card.index, "name": card.name, "total_mib": card.memory_total_mib, "free_mib": free}


def _fit(machine: Machine, card: Gpu) -> tuple[dict[str, Any], dict[str, str], list[Reason]] | Refusal:
    profile = memory.profile(machine, card)
    if isinstance(profile, Refusal):
        return profile
    wanted: dict[str, Any] = {
        "gpu_memory_utilization": memory.utilization(machine, card),
        "max_model_len": profile.max_model_len,
        "max_num_seqs": profile.max_num_seqs,
        "max_num_batched_tokens": profile.max_num_batched_tokens,
        "kv_cache_memory_bytes": profile.kv_mib << 20 if profile.kv_mib else None,
        "compilation_config": json.dumps(
            {"mode": 0, "cudagraph_mode": "FULL_DECODE_ONLY", "cudagraph_capture_sizes": profile.graphs},
            separators=(",", ":"),
        ),
    }
    environment = (
        {"CUDA_VISIBLE_DEVICES": str(card.index), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
        if len(machine.gpu.devices) > 1
        else {}
    )
    if (card.compute_capability or "").startswith(TRITON_MARLIN):
        wanted |= {"attention_backend": "TRITON_ATTN", "moe_backend": "marlin"}
    if profile.offload_gib:
        wanted |= {"cpu_offload_gb": profile.offload_gib, "cpu_offload_params": ["experts"]}
        if machine.wsl.version:
            environment["VLLM_WSL2_ENABLE_PIN_MEMORY"] = "1"
    text = f"{memory.free_gib(machine, card):.1f} GiB free: {profile.offload_gib} GiB of experts in host memory, context {profile.max_model_len}."
    return wanted, environment, [Reason(text=text, evidence=profile.evidence)]


def _wishes(settings: Settings, model: Model, environment: dict[str, str], machine: Machine) -> dict[str, Any]:
    """The admin's own values win over the profile's."""
    names = ("gpu_memory_utilization", "max_model_len", "max_num_seqs", "max_num_batched_tokens", "async_scheduling")
    wishes = {name: getattr(settings, name) for name in names if getattr(settings, name) != "auto"}
    if settings.reasoning_effort != "auto" and model.is_gpt_oss:
        environment |= {
            "VLLM_WORKSTATION_REASONING_EFFORT": settings.reasoning_effort,
            "PYTHONPATH": f"{machine.releases.root}/lib",
        }
        wishes["middleware"] = "vllm_workstation_defaults.ReasoningEffort"
    return wishes


def _spec(lock: str, model: Model, arguments: list[str], environment: dict[str, str], key: bool) -> str:
    text = json.dumps([lock, model.revision, arguments, environment, key], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
