"""Look at files and commands without ever failing."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from typing import Dict, List, NamedTuple, Optional, Union

# The probe must understand what it reads, whatever language the user speaks.
ENVIRONMENT = {"LC_ALL": "C", "LANG": "C", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


class Output(NamedTuple):
    """What a command printed; `code` is None where it could not run or ran out of time."""

    code: Optional[int]
    out: str
    err: str


def run(argv: List[str], timeout: float = 10, env: Optional[Dict[str, str]] = None) -> Output:
    """Run a command for at most `timeout` seconds."""
    full = dict(os.environ, **ENVIRONMENT, **(env or {}))
    try:
        # A session of its own: an interactive shell without a terminal would stop for ever, and a timeout must
        # reach the children that hold the pipes.
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=full,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return Output(None, "", str(error))
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return Output(None, "", "no answer within %s s" % timeout)
    return Output(process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


def read(path: str, limit: int = 1 << 20) -> Optional[str]:
    """Text of a file, at most `limit` bytes; None where it cannot be read."""
    data = read_bytes(path, limit)
    return None if data is None else data.decode("utf-8", "replace")


def read_bytes(path: str, limit: int = 1 << 20) -> Optional[bytes]:
    """Bytes of a file, at most `limit`; None where it cannot be read."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe in its place must not hold us up
        with os.fdopen(handle, "rb") as file:
            return file.read(limit) if stat.S_ISREG(os.fstat(handle).st_mode) else None
    except (OSError, ValueError):
        return None


def listing(path: str) -> List[str]:
    """Sorted names in a directory; empty where there is none."""
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def which(name: str, extra: Union[List[str], None] = None) -> Optional[str]:
    """First executable of that name on the system's path or in `extra` directories."""
    for directory in ENVIRONMENT["PATH"].split(":") + (extra or []):
        path = os.path.join(directory, name)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    return None


def number(text: Optional[str]) -> Optional[int]:
    """The whole number that a text is, else None (`[N/A]`, `[Not Supported]`, empty)."""
    try:
        return int(float((text or "").strip()))
    except (ValueError, OverflowError):  # OverflowError: "inf"
        return None
