"""Runs in a case's Python: import torch, use it without a GPU, say after each stage how it went (one JSON object a line).

argv: sonames that another module would load before torch. A stage that kills the process leaves its "begins" line as the last.
"""

from __future__ import annotations

import ctypes
import json
import re
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

OURS = re.compile(r"lib(cu|nv|nccl|torch|c10|stdc)")


def say(**what: Any) -> None:
    """A line."""
    print(json.dumps(what), flush=True)


class Information(ctypes.Structure):
    """The start of dl_phdr_info (link.h)."""

    _fields_ = [("address", ctypes.c_void_p), ("name", ctypes.c_char_p)]


def loaded() -> list[str]:
    """Paths of the libraries in load order, the loader's own list: of two with one soname the first is the one that is used."""
    found: list[str] = []
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Information), ctypes.c_size_t, ctypes.c_void_p)

    def each(information: Any, _size: int, _data: Any) -> int:
        name = (information.contents.name or b"").decode()
        if OURS.match(name.rpartition("/")[2]):
            found.append(name)
        return 0

    ctypes.CDLL(None).dl_iterate_phdr(kind(each), None)
    return found


def mapped() -> list[str]:
    """Paths in /proc/self/maps."""
    with open("/proc/self/maps") as file:
        paths = {line.split(None, 5)[5].strip() for line in file if "/" in line}
    return sorted(path for path in paths if OURS.match(path.rpartition("/")[2]))


def import_torch() -> None:
    """What every program does first."""
    import torch  # noqa: F401


def linalg() -> None:
    """What the first use of torch.linalg on a GPU opens."""
    import torch

    ctypes.CDLL(torch.__path__[0] + "/lib/libtorch_cuda_linalg.so")


def cudnn_version() -> None:
    """Torch's own comparison of cuDNN with what it was compiled against."""
    import torch

    torch.backends.cudnn.version()


def cudnn_parts() -> None:
    """cuDNN loads each of its sub-libraries, and aborts where it cannot."""
    for part in ("Graph", "Ops", "Cnn", "Adv"):
        code = getattr(ctypes.CDLL("libcudnn.so.9"), f"cudnn{part}VersionCheck")()
        if code:
            raise RuntimeError(f"cuDNN: {part}VersionCheck returns {code}")


def stage(name: str, action: Callable[[], object]) -> bool:
    """Whether it went well."""
    say(begins=name)
    since = time.monotonic()
    try:
        action()
        error: str | None = None
    except BaseException as caught:
        error = f"{type(caught).__name__}: {caught}"
    say(ends=name, error=error, seconds=round(time.monotonic() - since, 3))
    return error is None


def main() -> None:
    """All stages."""
    for soname in sys.argv[1:]:
        ctypes.CDLL(soname)
    if not stage("import torch", import_torch):
        return
    say(loaded=loaded(), mapped=mapped())
    stage("libtorch_cuda_linalg", linalg)
    for module in ("torchvision", "torchaudio", "triton"):
        stage(f"import {module}", partial(__import__, module))
    stage("cudnn.version", cudnn_version)
    stage("cuDNN's parts", cudnn_parts)
    say(loaded=loaded(), mapped=mapped())


if __name__ == "__main__":
    main()
