"""What a command costs: its time, and the CPU of all that it leaves running."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ADOPT = 36  # PR_SET_CHILD_SUBREAPER
PATIENCE = 5  # seconds for a process to end when asked
_LIBC = ctypes.CDLL(None, use_errno=True)


def cpu() -> float:
    """CPU seconds of the children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def adopting() -> Iterator[None]:
    """Processes that a command inside leaves behind (kept ssh connections) are ended here, and their CPU counts as a child's."""
    before = _children()
    _LIBC.prctl(ADOPT, 1, 0, 0, 0)
    try:
        yield
    finally:
        while left := _children() - before:
            for process in left:
                _end(process)
        _LIBC.prctl(ADOPT, 0, 0, 0, 0)


def _children() -> set[int]:
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            found |= {int(word) for word in (task / "children").read_text().split()}
    return found


def _end(process: int) -> None:
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(process, signal.SIGTERM)
        until = time.monotonic() + PATIENCE
        while os.waitpid(process, os.WNOHANG) == (0, 0):
            if time.monotonic() > until:
                os.kill(process, signal.SIGKILL)
            time.sleep(0.01)
