"""What torch.cuda says, from /etc/standin-gpu.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FACTS = Path("/etc/standin-gpu.json")


def _gpus() -> list[dict[str, Any]]:
    gpus: list[dict[str, Any]] = json.loads(FACTS.read_text())["gpus"] if FACTS.exists() else []
    return gpus


def is_available() -> bool:
    """Whether there is a GPU."""
    return bool(_gpus())


def device_count() -> int:
    """How many GPUs."""
    return len(_gpus())


def get_device_name(index: int = 0) -> str:
    """The GPU's name."""
    return str(_gpus()[index]["name"])


def get_device_capability(index: int = 0) -> tuple[int, int]:
    """Compute capability."""
    major, minor = _gpus()[index]["compute_capability"].split(".")
    return int(major), int(minor)


def mem_get_info(index: int = 0) -> tuple[int, int]:
    """(free, total) bytes."""
    gpu = _gpus()[index]
    return gpu["memory_free_mib"] << 20, gpu["memory_total_mib"] << 20
