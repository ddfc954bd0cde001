"""A stand-in vllm that requires the registry's own torch: real CUDA libraries on a host, 3 GB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import indexes
from .wheels import index_pages

if TYPE_CHECKING:
    from ..lab import Lab

REAL = "0.12.99"
"""No such vllm was published, so no registry has another of this name."""
TORCH = "2.6.0"
_FOLDER = "wheels.vllm.ai/real-torch"


def real_torch(lab: Lab) -> str:
    """The URL of a page of links with the wheel, for find_links."""
    folder = lab.settings.www / _FOLDER
    indexes.vllm(REAL, [f"torch=={TORCH}"]).write(folder / "vllm")
    index_pages(folder)
    return f"https://{_FOLDER}/vllm/"
