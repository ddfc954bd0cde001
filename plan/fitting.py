"""Which configuration a release can offer this machine: with our plugin where it is proven, else without."""

from __future__ import annotations

from typing import Any

from plan import card as cards
from plan import learnt, shape
from plan.evidence import Refusal
from plan.fit import Fitting, Wishes
from plan.machine import Gpu, Machine
from plan.memory import Way
from plan.model import Model
from plan.release import Release
from plan.search import fit
from plan.settings import Settings
from plan.shape import Shape


def wishes(settings: Settings) -> Wishes:
    """The user's own wishes; `auto` is none."""

    def told(value: Any) -> Any:
        return None if value == "auto" else value

    return Wishes(
        context=told(settings.max_model_len),
        users=told(settings.max_num_seqs),
        batched=told(settings.max_num_batched_tokens),
        utilization=told(settings.gpu_memory_utilization),
    )


def best(machine: Machine, settings: Settings, gpu: Gpu, model: Model, release: Release) -> Fitting | Refusal | None:
    """The fastest fit of this release; None for a model whose shape we do not know."""
    dtype = _dtype(settings, gpu)
    known = shape.of(model.name)
    if dtype is not None or known is None:
        return dtype
    if settings.kv_cache_dtype == "fp8":
        known = known.model_copy(update={"kv_block_bytes": known.kv_block_bytes // 2})
    tried = [_one(machine, settings, gpu, known, release, plugin) for plugin in _plugins(settings, release)]
    fits = [one for one in tried if isinstance(one, Fitting)]
    return fits[0] if fits else min((one for one in tried if isinstance(one, Refusal)), key=lambda one: one.missing_gib)


def _plugins(settings: Settings, release: Release) -> list[bool]:
    return [True, False] if release.plugin and settings.plugin == "auto" else [False]


def _one(
    machine: Machine, settings: Settings, gpu: Gpu, known: Shape, release: Release, plugin: bool
) -> Fitting | Refusal:
    wished, card = wishes(settings), cards.of(machine, gpu)
    asked = learnt.ask(machine, gpu, release, wished, plugin, settings.kv_cache_dtype)
    ended = learnt.exhausted(machine, asked)
    if ended:
        return ended
    way = Way(
        version=release.version,
        plugin=plugin,
        offload=release.offload.wsl if machine.wsl.version else release.offload.native,
        graphs=release.graphs,
        learnt=learnt.parts(machine, asked),
        pinnable=learnt.pinnable(machine, asked),
    )
    found = fit(known, card, way, wished)
    if isinstance(found, Refusal):
        return found
    return Fitting(fit=found, key=asked.key, learnt=way.learnt)


def _dtype(settings: Settings, gpu: Gpu) -> Refusal | None:
    """8-bit KV caches need native FP8, which Ampere lacks (vllm.md section 3.2, read)."""
    capable = tuple(int(part) for part in (gpu.compute_capability or "0.0").split(".")) >= (8, 9)
    if settings.kv_cache_dtype != "fp8" or capable:
        return None
    return Refusal(
        code="KV-DTYPE",
        message=f"kv_cache_dtype = fp8 needs compute capability 8.9; {gpu.name} has {gpu.compute_capability}.",
        remedy="Set kv_cache_dtype = auto: gpt-oss-20b's cache is small (24 KiB a token).",
    )
