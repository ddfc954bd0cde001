"""The table of rotary positions no longer than the server's context.

vLLM makes it for all 131,072 positions of gpt-oss: 32 MiB in fp32, which the first step turns into 16 MiB of bf16 that
stay. For a context of 8,192 it is 1 MiB, the same rows.
"""
import functools
from typing import Any

import torch

from vllm_workstation_plugin.log import logger
from vllm_workstation_plugin.patching import Function, Patch


def for_the_context(compute: Function) -> Function:
    """vLLM's table, cut after the last position that a request can have."""

    @functools.wraps(compute)
    def table(self: Any) -> torch.Tensor:
        whole: torch.Tensor = compute(self)
        rows = positions()
        if rows >= whole.shape[0]:
            return whole
        logger.info("vllm-workstation-plugin: rotary table cut from %d to %d positions", whole.shape[0], rows)
        return whole[:rows].clone()

    return table


def positions() -> int:
    """The context in tokens, and one step's tokens more: a step may run ahead of the scheduler's end of a request."""
    from vllm.config import get_current_vllm_config

    config = get_current_vllm_config()
    return int(config.model_config.max_model_len + config.scheduler_config.max_num_batched_tokens)


PATCHES = (
    Patch(
        module="vllm.model_executor.layers.rotary_embedding.yarn_scaling_rope",
        name="YaRNScalingRotaryEmbedding._compute_cos_sin_cache",
        parameters=("self",),
        make=for_the_context,
    ),
)
