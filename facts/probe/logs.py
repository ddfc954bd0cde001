"""What the server and our jobs said last, without secrets; only looked at where the query has `logs`."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, List, Optional

from . import shell, windows
from .secrets import clean

LINES = 1500  # of the server's journal
BYTES = 200000  # of one log, its end
KERNEL = "Xid|oom-kill|Out of memory|dxg|NVRM|segfault at|Remounting filesystem"
JOBS = ("build", "weights", "start")


def tail(path: str, count: int = BYTES) -> Optional[str]:
    """The last `count` bytes of a file as text; None where it cannot be read."""
    try:
        skip = max(0, os.path.getsize(path) - count)
    except (OSError, ValueError):
        return None
    data = shell.read_bytes(path, skip + count) if os.path.isfile(path) else None
    return None if data is None else data[skip:].decode("utf-8", "replace")


def matches(unit: str) -> List[str]:
    """journalctl's words for all lines of a user's unit.

    Lines of a process that ended before journald looked it up have no unit (4 of 5 seen with it on systemd 252): they are found
    by the identifier that the unit gives them, its own name.
    """
    user = "_UID=%d" % os.getuid()
    name = unit[: -len(".service")] if unit.endswith(".service") else unit
    fields = ("_SYSTEMD_USER_UNIT=" + unit, "USER_UNIT=" + unit, "SYSLOG_IDENTIFIER=" + name)
    return [word for field in fields for word in ("+", user, field)][1:]


def journal(unit: str) -> Optional[str]:
    """The unit's last lines, oldest first; None where there is no journal to read."""
    argv = ["journalctl", "--no-pager", "-q", "-o", "short-iso", "-n", str(LINES), *matches(unit)]
    return shell.run(argv).out[-BYTES:] or None


def kernel() -> Optional[str]:
    """Lines of this boot's kernel about the GPU, memory and disks; None where they may not be read."""
    answer = shell.run(["journalctl", "-k", "-b", "--no-pager", "-q", "-o", "short-iso", "-g", KERNEL, "-n", "50"])
    return answer.out or None


def jobs(root: str) -> Dict[str, Dict[str, Any]]:
    """State, end (Unix time), and log of our background jobs, by name."""
    found = {}
    for name in JOBS:
        base = os.path.join(root, "jobs", name)
        status = _json(shell.read(base + "/status.json"))
        if status:
            log = tail(base + "/log", BYTES // 4)
            found[name] = {"state": status.get("state"), "ended": status.get("ended"), "log": clean(log or "")}
    return found


def _json(text: Optional[str]) -> Dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def observe(query: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """Everything of this subject; None where it was not asked for."""
    if not query.get("logs"):
        return None
    root = os.path.expanduser(query["root"])
    text = journal(query["unit"]) or tail(root + "/service/server.log")
    return {
        "hostname": os.uname().nodename,
        "server": clean(text) if text else None,
        "kernel": kernel(),
        "jobs": jobs(root),
        "wslconfig": windows.wslconfig(),
    }
