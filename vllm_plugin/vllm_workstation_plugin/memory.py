"""What loading took of the card, in two lines, and the allocator's leftovers given back before the profile run."""
import functools
from typing import Any

import torch

from vllm_workstation_plugin.log import gib, logger
from vllm_workstation_plugin.patching import Function, Patch


def reporting(process_weights: Function) -> Function:
    """vLLM's processing of all loaded weights, with the peak before it, in it and what is left after it."""

    @functools.wraps(process_weights)
    def process(model: Any, model_config: Any, target_device: torch.device) -> None:
        if target_device.type != "cuda":
            return process_weights(model, model_config, target_device)  # type: ignore[no-any-return]
        report("reading the weights", target_device)
        process_weights(model, model_config, target_device)
        torch.cuda.empty_cache()
        report("processing them", target_device)
        return None

    return process


def report(step: str, device: torch.device) -> None:
    """Log the step's peak and what is held now; start a new peak. Bytes are torch's, free and total the driver's."""
    free, total = torch.cuda.mem_get_info(device)
    logger.info(
        "vllm-workstation-plugin: %s: peak %s allocated, %s reserved; now %s allocated, %s reserved, %s of %s free",
        step, gib(torch.cuda.max_memory_allocated(device)), gib(torch.cuda.max_memory_reserved(device)),
        gib(torch.cuda.memory_allocated(device)), gib(torch.cuda.memory_reserved(device)), gib(free), gib(total),
    )
    torch.cuda.reset_peak_memory_stats(device)


PATCHES = (
    Patch(
        module="vllm.model_executor.model_loader.base_loader",
        name="process_weights_after_loading",
        parameters=("model", "model_config", "target_device"),
        make=reporting,
    ),
)
