"""The Marlin repack of MXFP4 experts in place, expert by expert.

vLLM 0.24.0 makes a list of repacked experts, then a concatenation, beside the original: about 0.8 GiB for a layer of
gpt-oss-20b. A repacked expert has exactly the bytes it had before, so it can go back where it came from.
"""
import functools
from collections.abc import Sequence
from typing import Any

import torch

from vllm_workstation_plugin.log import logger
from vllm_workstation_plugin.patching import Function, Patch

Tensors = Sequence[torch.Tensor | None]  # w13, w2, their scales, their biases; each (experts, ...)


def expert_by_expert(prepare: Function) -> Function:
    """vLLM's repack, called for one expert at a time, each result written over its source."""

    @functools.wraps(prepare)
    def in_place(
        layer: Any, w13: torch.Tensor, w2: torch.Tensor, w13_scale: torch.Tensor, w2_scale: torch.Tensor,
        w13_bias: torch.Tensor | None, w2_bias: torch.Tensor | None,
    ) -> Tensors:
        sources: Tensors = (w13, w2, w13_scale, w2_scale, w13_bias, w2_bias)
        first = prepare(layer, *expert(sources, 0))
        if not same_bytes(sources, first):
            logger.warning_once("vllm-workstation-plugin: repack is off: a repacked expert has not the size it had")
            return prepare(layer, *sources)  # type: ignore[no-any-return]
        write(first, sources, 0)
        for index in range(1, w13.shape[0]):
            write(prepare(layer, *expert(sources, index)), sources, index)
        return tuple(as_kind(source, kind) for source, kind in zip(sources, first, strict=True))

    return in_place


def expert(sources: Tensors, index: int) -> Tensors:
    """One expert's tensors. From host memory first to the card in one piece: the repack's own reads are 4 bytes each."""
    def one(source: torch.Tensor | None) -> torch.Tensor | None:
        if source is None:
            return None
        part = source.data[index : index + 1]
        return part.clone() if is_offloaded(source) else part

    return [one(source) for source in sources]


def same_bytes(sources: Tensors, results: Tensors) -> bool:
    """Whether the first expert's results fit where its sources lie."""
    return len(sources) == len(results) and all(
        (source is None) == (result is None)
        and (source is None or result is None or (source.is_contiguous() and source[:1].nbytes == result.nbytes))
        for source, result in zip(sources, results, strict=True)
    )


def write(results: Tensors, sources: Tensors, index: int) -> None:
    """Put one expert's results over its sources."""
    for source, result in zip(sources, results, strict=True):
        if source is not None and result is not None:
            as_bytes(source.data[index : index + 1]).copy_(as_bytes(result.contiguous()))


def as_bytes(tensor: torch.Tensor) -> torch.Tensor:
    """The same memory as a row of bytes."""
    return tensor.view(torch.uint8).view(-1)


def as_kind(source: torch.Tensor | None, kind: torch.Tensor | None) -> torch.Tensor | None:
    """The source's memory with the type and shape of a repacked expert, for all experts."""
    if source is None or kind is None:
        return None
    return as_bytes(source.data).view(kind.dtype).view(source.shape[0], *kind.shape[1:])


def is_offloaded(parameter: torch.Tensor | None) -> bool:
    """Whether vLLM's offloader keeps it in host memory as a view (the attribute is vLLM's)."""
    return getattr(parameter, "_vllm_is_uva_offloaded", False)


def staying_offloaded(replace_parameter: Function) -> Function:
    """vLLM's exchange of a parameter, where new data in the old, offloaded place counts as offloaded still.

    Else device_loading_context takes it for new data on the card and copies it to new pinned memory.
    """

    @functools.wraps(replace_parameter)
    def exchange(layer: Any, param_name: str, new_data: torch.Tensor | None, *args: Any, **kwargs: Any) -> None:
        old: Any = getattr(layer, param_name, None)
        stays = is_offloaded(old) and new_data is not None and new_data.data_ptr() == old.data_ptr()
        replace_parameter(layer, param_name, new_data, *args, **kwargs)
        if stays:
            getattr(layer, param_name)._vllm_is_uva_offloaded = True

    return exchange


PATCHES = (
    Patch(
        module="vllm.model_executor.layers.quantization.utils.marlin_utils_fp4",
        name="prepare_moe_mxfp4_layer_for_marlin",
        parameters=("layer", "w13", "w2", "w13_scale", "w2_scale", "w13_bias", "w2_bias"),
        make=expert_by_expert,
    ),
    Patch(
        module="vllm.model_executor.layers.quantization.mxfp4",
        name="replace_parameter",
        parameters=("layer", "param_name", "new_data", "prefer_copy"),
        make=staying_offloaded,
    ),
)
