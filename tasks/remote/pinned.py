"""How much host memory the driver pins here, by trying. Windows lends WSL less than there is, and says so to nobody.

In WSL the card is filled first, as the server will fill it: where the driver counts pinned memory as the card's, that shows.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time
from typing import Any, Dict, List, Optional

from . import common

PIECE_MIB = 512
LEAST_MIB = 64  # pieces are halved down to this where one is refused
SHARE = 0.8  # of the memory that is available
LEFT_MIB = 1024  # of the card, in WSL
SECONDS = 60
LIBRARIES = ("libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1")
MAPPED = 3  # CU_MEMHOSTALLOC_PORTABLE and _DEVICEMAP: as weights in host memory are


def probe(root: str, needed_mib: int) -> None:
    """Try in a process of its own, which can hang or die, and write `<root>/pinned.json`. Never fails for what it finds."""
    memory = meminfo()
    least = min(needed_mib, int(memory.get("MemAvailable", 0) * SHARE))
    told = _told([sys.executable, os.path.abspath(sys.argv[0]), "pin", str(least)])
    found = {"asked_mib": least, "total_mib": memory.get("MemTotal"), "kernel": os.uname().release}
    found.update({"mib": None, "driver": None, "error": None}, **told)
    found["when"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    common.write(root + "/pinned.json", json.dumps(found, indent=1))


def meminfo(path: str = "/proc/meminfo") -> Dict[str, int]:
    """MiB by name."""
    with open(path) as file:
        rows = [line.split() for line in file]
    return {row[0].rstrip(":"): int(row[1]) // 1024 for row in rows if len(row) > 1 and row[1].isdigit()}


def _told(argv: List[str], seconds: float = SECONDS) -> Dict[str, Any]:
    """What the trying process said: each line replaces the one before, so that of a killed one its progress counts."""
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        out, error = process.communicate(timeout=seconds)[0], None  # type: bytes, Optional[str]
    except subprocess.TimeoutExpired:
        process.kill()
        out, error = process.communicate()[0], "no answer within %d s" % seconds
    lines = [
        line for line in out.decode("utf-8", "replace").splitlines() if line.startswith("{") and line.endswith("}")
    ]
    if error is None and process.returncode:
        error = "ended with status %d" % process.returncode
    return dict(json.loads(lines[-1]) if lines else {}, **({"error": error} if error else {}))


def pin(needed_mib: int) -> None:
    """The trying process: a line of JSON after each piece."""
    try:
        cuda = Cuda()
        cuda.begin()
        if "microsoft" in os.uname().release.lower():
            cuda.fill(LEFT_MIB)
        _say(cuda, 0)
        for reached in cuda.pin(needed_mib):
            _say(cuda, reached)
        cuda.end()
    except (CudaError, AttributeError) as error:  # AttributeError: a libcuda without that call
        print(json.dumps({"mib": None, "error": str(error)}), flush=True)


def _say(cuda: "Cuda", mib: int) -> None:
    print(json.dumps({"mib": mib, "driver": cuda.driver(), "error": None}), flush=True)


class CudaError(Exception):
    """The driver's name of an error, and the call."""


class Cuda:
    """The few calls of the driver's interface that are needed."""

    def __init__(self) -> None:
        self.device = ctypes.c_int()
        for name in LIBRARIES:
            try:
                self.library = ctypes.CDLL(name)
                return
            except OSError:
                continue
        raise CudaError("no libcuda.so.1")

    def call(self, name: str, *arguments: Any) -> None:
        """Call, and raise what is not success."""
        code = getattr(self.library, name)(*arguments)
        if code:
            raise CudaError("%s: %s" % (name, self._error(code)))

    def _error(self, code: int) -> str:
        text = ctypes.c_char_p()
        try:
            self.library.cuGetErrorName(code, ctypes.byref(text))
        except AttributeError:
            pass
        return (text.value or b"error %d" % code).decode()

    def driver(self) -> Optional[int]:
        """CUDA's version of the driver, such as 13000."""
        number = ctypes.c_int()
        return None if self.library.cuDriverGetVersion(ctypes.byref(number)) else number.value

    def begin(self) -> None:
        """A context on the first card that has room for one."""
        self.call("cuInit", 0)
        count = ctypes.c_int()
        self.call("cuDeviceGetCount", ctypes.byref(count))
        for index in range(count.value):
            try:
                return self._context(index)
            except CudaError:
                if index == count.value - 1:
                    raise
        raise CudaError("no device")

    def _context(self, index: int) -> None:
        context = ctypes.c_void_p()
        self.call("cuDeviceGet", ctypes.byref(self.device), index)
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), self.device)
        self.call("cuCtxSetCurrent", context)

    def end(self) -> None:
        """Give everything back: what lies in a context goes with it."""
        self.call("cuDevicePrimaryCtxReset_v2", self.device)

    def fill(self, left_mib: int) -> None:
        """Take the card's memory but for a rest; plain memory, never managed."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self.call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        for _ in range((int(free.value >> 20) - left_mib) // PIECE_MIB):
            pointer = ctypes.c_uint64()
            if self.library.cuMemAlloc_v2(ctypes.byref(pointer), ctypes.c_size_t(PIECE_MIB << 20)):
                return

    def pin(self, needed_mib: int) -> Any:
        """MiB that are pinned, after each piece, up to what is needed or what is refused."""
        reached, piece = 0, PIECE_MIB
        while reached < needed_mib and piece >= LEAST_MIB:
            size, pointer = min(piece, needed_mib - reached), ctypes.c_void_p()
            if self.library.cuMemHostAlloc(ctypes.byref(pointer), ctypes.c_size_t(size << 20), ctypes.c_uint(MAPPED)):
                piece //= 2
                continue
            reached += size
            yield reached
