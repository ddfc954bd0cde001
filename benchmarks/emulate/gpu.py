"""How much of a GPU is used, sampled many times a second, by stage of the start."""

from __future__ import annotations

import ctypes
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

GIB = 1 << 30
EVERY_S = 0.05


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


def used_bytes(gpu: int) -> Callable[[], int]:
    """A cheap reader of the bytes in use on this GPU: NVML, or nvidia-smi where its library is not found."""
    try:
        library = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return lambda: _nvidia_smi(gpu)
    handle, memory = ctypes.c_void_p(), _Memory()
    if library.nvmlInit_v2() or library.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(gpu), ctypes.byref(handle)):
        return lambda: _nvidia_smi(gpu)

    def read() -> int:
        if library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)):
            raise RuntimeError("NVML does not tell the memory in use")
        return int(memory.used)

    return read


def _nvidia_smi(gpu: int) -> int:
    command = ["nvidia-smi", f"--id={gpu}", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    return int(subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.split()[0]) << 20


def named(gpu: int) -> dict[str, str]:
    """The GPU's name and driver; empty where nvidia-smi does not tell."""
    command = ["nvidia-smi", f"--id={gpu}", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    return dict(zip(("gpu", "driver"), told.strip().split(", "), strict=False))


@dataclass
class Watch:
    """Samples until `stop`: the most in use by stage and the last, bytes beyond `base`."""

    read: Callable[[], int]
    stage: Callable[[], str]
    base: int = 0
    peaks: dict[str, int] = field(default_factory=dict)
    last: int = 0
    samples: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; what is in use now is the base."""
        self.base = self.read()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def sample(self) -> None:
        """Look once. The memory is read first, so that it never counts for a later stage than it belongs to."""
        self.last = self.read() - self.base
        stage = self.stage()
        self.peaks[stage] = max(self.peaks.get(stage, 0), self.last)
        self.samples += 1

    def _run(self) -> None:
        while not self._ended.wait(EVERY_S):
            self.sample()

    def stop(self) -> None:
        """The last look."""
        self._ended.set()
        if self._thread:
            self._thread.join()

    def peaks_most(self) -> int:
        """The most of all stages, bytes."""
        return max(self.peaks.values(), default=0)

    def gib(self) -> dict[str, float]:
        """The peaks, GiB."""
        return {stage: round(value / GIB, 3) for stage, value in self.peaks.items()}
