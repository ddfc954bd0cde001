"""A checkpoint's experts copied to the card one by one.

The parameter is padded (2880 to 2944 and 3072), so vLLM's copy goes to a slice of it, and torch copies from the host to
a slice through a buffer of the slice's size on the card: 253 MiB for w13 of gpt-oss-20b; for one expert it is 8 MiB.
"""
import functools
from typing import Any

import torch

from vllm_workstation_plugin.patching import Function, Patch


def expert_by_expert(weight_loader: Function) -> Function:
    """vLLM's loader of one parameter, called for one expert at a time where the checkpoint has all in one tensor."""

    @functools.wraps(weight_loader)
    def load(self: Any, param: Any, loaded_weight: torch.Tensor, *args: Any, **kwargs: Any) -> bool | None:
        if not is_combined(self, param, loaded_weight):
            return weight_loader(self, param, loaded_weight, *args, **kwargs)  # type: ignore[no-any-return]
        for target, source in zip(param.data.split(1), torch.split(loaded_weight, 1), strict=True):
            result = weight_loader(self, target, source, *args, **kwargs)
        return result  # type: ignore[no-any-return]

    return load


def is_combined(experts: Any, param: Any, loaded_weight: torch.Tensor) -> bool:
    """Whether this is a tensor of all experts of a gpt-oss checkpoint, on both sides."""
    config = experts.quant_config
    return (
        config is not None and config.get_name() == "gpt_oss_mxfp4"
        and loaded_weight.dim() == param.dim() == 3
        and loaded_weight.shape[0] == param.shape[0] > 1
    )


PATCHES = (
    Patch(
        module="vllm.model_executor.layers.fused_moe.routed_experts",
        name="RoutedExperts.weight_loader",
        parameters=("self", "param", "loaded_weight", "weight_name", "shard_id", "expert_id", "return_success"),
        make=expert_by_expert,
    ),
)
