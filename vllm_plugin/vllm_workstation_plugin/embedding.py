"""The input embedding in host memory: 1.08 GiB that a step reads one row a token of, so the card need not hold it."""
from typing import Any

import torch

from vllm_workstation_plugin.log import gib, logger
from vllm_workstation_plugin.patching import Function, Patch


def in_host_memory(vocab_parallel_embedding: Function) -> Function:
    """A maker of embeddings like vLLM's class, whose weight is a zero-copy view of pinned host memory."""

    def make(*args: Any, **kwargs: Any) -> Any:
        from vllm.utils.platform_utils import is_uva_available

        if not is_uva_available():
            logger.warning("vllm-workstation-plugin: embedding stays on the card: no pinned host memory here "
                           "(in WSL, VLLM_WSL2_ENABLE_PIN_MEMORY=1 allows it)")
            return vocab_parallel_embedding(*args, **kwargs)
        with torch.device("cpu"):
            embedding = vocab_parallel_embedding(*args, **kwargs)
        try:
            move_to_pinned(embedding.weight)
        except RuntimeError as problem:
            logger.warning("vllm-workstation-plugin: embedding stays on the card: %s", str(problem).splitlines()[0])
            return vocab_parallel_embedding(*args, **kwargs)
        return embedding

    return make


def move_to_pinned(weight: torch.nn.Parameter) -> None:
    """Make the parameter a device view of pinned memory of exactly its size.

    vLLM's operator, given memory that is not pinned, allocates that itself with cudaHostAlloc and copies; torch's
    pin_memory would round 1.08 GiB up to 2. The attribute is the one vLLM's offloader sets, so that loading leaves it there.
    """
    from vllm.utils.torch_utils import get_accelerator_view_from_cpu_tensor

    weight.data = get_accelerator_view_from_cpu_tensor(weight.data)
    weight._vllm_is_uva_offloaded = True
    logger.info("vllm-workstation-plugin: embedding %s, %s, lies in host memory", tuple(weight.shape), gib(weight.nbytes))


PATCHES = (
    Patch(
        module="vllm.model_executor.models.gpt_oss",
        name="VocabParallelEmbedding",
        signature_of="VocabParallelEmbedding.__init__",
        parameters=("self", "num_embeddings", "embedding_dim", "params_dtype", "org_num_embeddings",
                    "padding_size", "quant_config", "prefix"),
        make=in_host_memory,
    ),
)
