"""Processes of our server that nothing supervises any more: workers and servers that a dead run left behind."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Optional, Set

from . import shell

SPEC = "VLLM_WORKSTATION_SPEC"


def environment(pid: int) -> Dict[str, str]:
    """The environment that a process was started with; empty where it may not be read."""
    text = shell.read("/proc/%d/environ" % pid) or ""
    return dict(entry.split("=", 1) for entry in text.split("\0") if "=" in entry)


def parent(pid: int) -> Optional[int]:
    """The parent's pid."""
    words = (shell.read("/proc/%d/stat" % pid) or "").rpartition(")")[2].split()
    return shell.number(words[1]) if len(words) > 1 else None


def under(pid: int, ancestors: Set[int]) -> bool:
    """Whether a process descends from one of these."""
    seen: Set[int] = set()
    while pid and pid not in seen:
        if pid in ancestors:
            return True
        seen.add(pid)
        pid = parent(pid) or 0
    return False


def orphans(root: str, unit: str, supervisor: Optional[int]) -> List[Dict[str, Any]]:
    """`{pid, command, spec}` of this user's processes that run our server out of `root`, outside the unit and supervisord."""
    found = []
    space, above = _space("self"), ancestors(os.getpid())
    for pid in (int(name) for name in shell.listing("/proc") if name.isdigit()):
        if pid in above or _uid(pid) != os.geteuid() or _space(str(pid)) != space or _zombie(pid):
            continue  # a container's processes are seen from outside too, and are none of ours
        command = (shell.read("/proc/%d/cmdline" % pid) or "").replace("\0", " ").strip()
        env = environment(pid)
        if "vllm" not in command.lower() or not _of(pid, root, env):
            continue
        if unit in (shell.read("/proc/%d/cgroup" % pid) or "") or (supervisor and under(pid, {supervisor})):
            continue
        found.append({"pid": pid, "command": command[:200], "spec": env.get(SPEC)})
    return found


def ancestors(pid: int) -> Set[int]:
    """A process and all above it."""
    found: Set[int] = set()
    while pid and pid not in found:
        found.add(pid)
        pid = parent(pid) or 0
    return found


def _of(pid: int, root: str, env: Dict[str, str]) -> bool:
    """Whether a process was started by our service; a worker that renamed itself has overwritten its environment."""
    if SPEC in env:
        return root + "/current/bin" in env.get("PATH", "").split(":")
    titled = (shell.read("/proc/%d/cmdline" % pid) or "").startswith("VLLM::")
    return titled and root + "/releases/" in (shell.read("/proc/%d/maps" % pid, 4 << 20) or "")


def _space(pid: str) -> Optional[str]:
    """The process namespace."""
    try:
        return os.readlink("/proc/%s/ns/pid" % pid)
    except OSError:
        return None


def _uid(pid: int) -> Optional[int]:
    try:
        return os.stat("/proc/%d" % pid).st_uid
    except OSError:
        return None


def _zombie(pid: int) -> bool:
    words = (shell.read("/proc/%d/stat" % pid) or "").rpartition(")")[2].split()
    return not words or words[0] in ("Z", "X")
