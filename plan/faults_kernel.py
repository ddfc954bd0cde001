"""What the kernel's lines say of the server: other programs' kills, crashes and faults of the card are none of ours. Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase

from plan.fault_table import expression, words
from plan.faults import Fault, diagnose


def kernel(text: str) -> list[Fault]:
    """Causes that the kernel tells, the root first; never UNKNOWN. A kill for want of memory counts where one of ours was killed."""
    lines = "\n".join(line for line in text.splitlines() if _counts(line))
    return diagnose(lines, codes=words().kernel.codes)


def _counts(line: str) -> bool:
    told = words().kernel
    if expression(told.kills).search(line) and "NVRM: Xid" not in line:
        return any(_ours(name) for name in _names(told.victim, line))
    return all(_ours(name) for other in told.others for name in _names(other, line))


def _names(pattern: str, line: str) -> list[str]:
    """Processes that a line names."""
    return [name.strip() for found in expression(pattern).finditer(line) for name in found.groups() if name]


def _ours(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in words().kernel.names)
