"""Stand-in GPUs: what nvidia-smi, libcuda and the PCI bus of a host say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

GpuChoice = Sequence["Gpu"] | Literal["no-driver"] | None
"""GPUs (none of them: the system blocks access); hardware without a driver; no hardware."""

_BRANCHES = (
    (595, "13.2"), (590, "13.1"), (580, "13.0"), (575, "12.9"), (570, "12.8"), (565, "12.7"),
    (560, "12.6"), (555, "12.5"), (550, "12.4"), (545, "12.3"), (535, "12.2"), (530, "12.1"),
    (525, "12.0"), (520, "11.8"), (515, "11.7"), (470, "11.4"),
)  # fmt: skip
"""Driver branch and the CUDA version nvidia-smi shows for it; Windows drivers number likewise."""


@dataclass(frozen=True)
class Gpu:
    """One GPU as nvidia-smi reports it; `driver` is Windows' number under WSL."""

    name: str = "NVIDIA GeForce RTX 5090"
    memory_total_mib: int = 32607
    memory_free_mib: int = 30842
    driver: str = "576.80"
    compute_capability: str = "12.0"
    pcie_gen_max: int | None = 5
    pcie_width_max: int | None = 16
    pcie_gen_current: int | None = 1
    pcie_width_current: int | None = 16


def branch(driver: str) -> tuple[int, str]:
    """(driver branch, CUDA version) of a driver number such as 576.80."""
    major = int(driver.split(".")[0])
    return next((b for b in _BRANCHES if b[0] <= major), _BRANCHES[-1])


def describe(gpus: Sequence[Gpu], wsl: bool) -> str:
    """The text of /etc/standin-gpu.json, read by the stand-in nvidia-smi, libcuda and torch."""
    driver = gpus[0].driver if gpus else "576.80"
    number, cuda = branch(driver)
    major, minor = cuda.split(".")
    facts = {
        "smi": f"{number}.64.01" if wsl else driver,
        "driver": driver,
        "cuda": cuda,
        "cuda_number": int(major) * 1000 + int(minor) * 10,
        "count": len(gpus),
        "gpus": [asdict(gpu) for gpu in gpus],
    }
    return json.dumps(facts, indent=1) + "\n"
