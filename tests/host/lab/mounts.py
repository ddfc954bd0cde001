"""Overlay mounts of host trees."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from .settings import LabError
from .shell import run


def overlay(root: Path, lower: Sequence[Path], upper: Path, work: Path) -> None:
    """Mount LOWER (top first) with UPPER over it at ROOT."""
    lowers = ":".join(str(path) for path in lower)
    options = f"lowerdir={lowers},upperdir={upper},workdir={work}"
    run(["mount", "-t", "overlay", "overlay", "-o", options, root])


def mounted(path: Path) -> bool:
    """Whether PATH is a mount point now, from /proc/mounts."""
    wanted = str(path)
    lines = Path("/proc/mounts").read_text().splitlines()
    return any(line.split()[1] == wanted for line in lines)


def unmount(path: Path) -> None:
    """Unmount PATH; a dying process may hold it for a moment."""
    for _ in range(40):
        if not mounted(path):
            return
        if run(["umount", path], check=False).returncode == 0:
            continue
        time.sleep(0.05)
    run(["umount", "-l", path], check=False)
    if mounted(path):
        raise LabError(f"{path} stays mounted")
