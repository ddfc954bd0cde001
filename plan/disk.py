"""What is still to be written, against what is free."""

from __future__ import annotations

from plan.evidence import Refusal
from plan.machine import Machine
from plan.model import Model, ready

GIB = 1 << 30
TOOLKIT_GIB = 8.0  # cuda-toolkit-12-8 installed (reported)
RESERVE_GIB = 1.0


def needed(machine: Machine, model: Model, release_gib: float, release_there: bool, toolkit: bool) -> dict[str, float]:
    """GiB by what they are for; only what is not there yet."""
    parts = {}
    if not release_there:
        parts["vLLM and PyTorch"] = release_gib
    if model.kind != "directory" and not ready(machine, model):
        seen = machine.weights.get(model.directory)
        there = sum(file.size for file in seen.files.values()) + seen.partial_bytes if seen else 0
        parts["model"] = max(0.0, model.bytes - there) / GIB
    if toolkit:
        parts["CUDA toolkit"] = TOOLKIT_GIB
    return parts


def refusal(machine: Machine, parts: dict[str, float]) -> Refusal | None:
    """The sentence with the numbers where it does not fit; None where it fits or free space is unknown."""
    free, total = machine.system.disk.free_bytes, sum(parts.values())
    if free is None or not parts or free / GIB >= total + RESERVE_GIB:
        return None
    words = " + ".join(f"{name} {size:.1f}" for name, size in parts.items())
    return Refusal(
        code="DISK",
        message=f"{machine.releases.root} has {free / GIB:.1f} GiB free, and {total + RESERVE_GIB:.1f} GiB are needed "
        f"({words} + {RESERVE_GIB:.0f} spare).",
        remedy="Free some space, or set root to a directory on a larger disk.",
    )
