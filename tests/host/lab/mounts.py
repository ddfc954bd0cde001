"""Mounts of host trees: overlays, and the file system that they lie on."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from .settings import LabError
from .shell import run

_ENOUGH = 60 << 30
"""Bytes: a full run asks for 34 GiB, and other labs fill the disk meanwhile."""


def overlay(root: Path, lower: Sequence[Path], upper: Path, work: Path) -> None:
    """Mount LOWER (top first) with UPPER over it at ROOT."""
    lowers = ":".join(str(path) for path in lower)
    options = f"lowerdir={lowers},upperdir={upper},workdir={work}"
    run(["mount", "-t", "overlay", "overlay", "-o", options, root])


def roomy(directory: Path) -> None:
    """Where DIRECTORY has less free than a workstation needs, a sparse file system of 96 GiB there: hosts use a few of them.

    Nothing is done over hosts that are there, nor where no loop device can be had: hosts then say how much their disk lacks.
    """
    if any(directory.iterdir()) or mounted(directory) or shutil.disk_usage(directory).free > _ENOUGH:
        return
    image = directory.with_suffix(".img")
    image.unlink(missing_ok=True)
    image.touch()
    os.truncate(image, 96 << 30)
    run(["mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", image], check=False)
    if run(["mount", "-o", "loop,discard", image, directory], check=False).returncode:
        image.unlink()


def plain(directory: Path) -> None:
    """Take roomy's file system back."""
    unmount(directory)
    directory.with_suffix(".img").unlink(missing_ok=True)


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
