"""CUDA's libraries by name, and the wheels that carry them.

Names as in Requires-Dist of the registry's torch 2.6.0 and 2.8.0 (CUDA 12) and 2.11.0 (CUDA 13, behind cuda-toolkit's extras), 2026-11.
"""

from __future__ import annotations

import re
from typing import Dict, Optional, Tuple

# Name between `lib` and `.so`: distribution for CUDA 12, for CUDA 13.
WHEELS: Dict[str, Tuple[str, str]] = {
    "cublas": ("nvidia-cublas-cu12", "nvidia-cublas"),
    "cublasLt": ("nvidia-cublas-cu12", "nvidia-cublas"),
    "nvblas": ("nvidia-cublas-cu12", "nvidia-cublas"),
    "cudart": ("nvidia-cuda-runtime-cu12", "nvidia-cuda-runtime"),
    "cudnn": ("nvidia-cudnn-cu12", "nvidia-cudnn-cu13"),
    "cufft": ("nvidia-cufft-cu12", "nvidia-cufft"),
    "cufftw": ("nvidia-cufft-cu12", "nvidia-cufft"),
    "cufile": ("nvidia-cufile-cu12", "nvidia-cufile"),
    "cufile_rdma": ("nvidia-cufile-cu12", "nvidia-cufile"),
    "cupti": ("nvidia-cuda-cupti-cu12", "nvidia-cuda-cupti"),
    "curand": ("nvidia-curand-cu12", "nvidia-curand"),
    "cusolver": ("nvidia-cusolver-cu12", "nvidia-cusolver"),
    "cusolverMg": ("nvidia-cusolver-cu12", "nvidia-cusolver"),
    "cusparse": ("nvidia-cusparse-cu12", "nvidia-cusparse"),
    "cusparseLt": ("nvidia-cusparselt-cu12", "nvidia-cusparselt-cu13"),
    "nccl": ("nvidia-nccl-cu12", "nvidia-nccl-cu13"),
    "nvJitLink": ("nvidia-nvjitlink-cu12", "nvidia-nvjitlink"),
    "nvToolsExt": ("nvidia-nvtx-cu12", "nvidia-nvtx"),
    "nvrtc": ("nvidia-cuda-nvrtc-cu12", "nvidia-cuda-nvrtc"),
    "nvrtc-builtins": ("nvidia-cuda-nvrtc-cu12", "nvidia-cuda-nvrtc"),
    "nvshmem_host": ("nvidia-nvshmem-cu12", "nvidia-nvshmem-cu13"),
}
# A foreign copy of these computes wrongly or aborts; of the others it is known to load and work where its symbols suffice.
SENSITIVE = ("cublas", "cublasLt", "cudnn")
_SONAME = re.compile(r"lib([A-Za-z][\w-]*?)\.so(?:\.|$)")


def stem(soname: str) -> Optional[str]:
    """`cusparse` of `libcusparse.so.12`, `cudnn` of its sub-libraries too; None where it is no library of CUDA's."""
    match = _SONAME.match(soname)
    name = match.group(1) if match else ""
    if name.startswith("cudnn_"):
        return "cudnn"
    return name if name in WHEELS else None


def wheel(soname: str, major: Optional[int]) -> Optional[str]:
    """The distribution that carries a library in a venv of that CUDA major."""
    name = stem(soname)
    return WHEELS[name][1 if (major or 12) >= 13 else 0] if name else None
