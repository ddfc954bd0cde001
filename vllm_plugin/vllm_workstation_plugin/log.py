"""vLLM's own log: only loggers below the name `vllm` get its handler."""
from vllm.logger import init_logger

logger = init_logger("vllm.workstation_plugin")


def gib(number_of_bytes: int) -> str:
    """A size in GiB, as vLLM's own lines give it."""
    return f"{number_of_bytes / 2**30:.2f} GiB"
