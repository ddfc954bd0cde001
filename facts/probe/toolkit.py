"""CUDA toolkits on the disk, and which one is current."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List, Optional

from . import shell


def parse_nvcc(text: str) -> Optional[str]:
    """`12.8.93` of `nvcc --version`."""
    match = re.search(r"\bV(\d+\.\d+\.\d+)", text) or re.search(r"release (\d+\.\d+)", text)
    return match.group(1) if match else None


def parse_alternatives(text: str) -> Dict[str, Optional[str]]:
    """`mode` (auto or manual) and `value` of a file in /var/lib/dpkg/alternatives with its link target."""
    lines = text.splitlines()
    return {"mode": lines[0] if lines else None, "link": lines[1] if len(lines) > 1 else None}


EXTRA = re.compile(r"/(doc|docs|samples|man|extras|nsight[^/]*)(/|$)")  # which a site may keep dpkg from unpacking
INFO = "/var/lib/dpkg/info"


def lost(packages: List[str], info: str = INFO) -> Dict[str, int]:
    """`{package: files of it that are gone from /usr/local/cuda-*}` of packages that dpkg has a list for."""
    found = {}
    for package in packages:
        text = shell.read("%s/%s.list" % (info, package), 16 << 20)
        if text is None:
            text = shell.read("%s/%s:amd64.list" % (info, package), 16 << 20) or ""
        paths = [line for line in text.splitlines() if line.startswith("/usr/local/cuda-") and not EXTRA.search(line)]
        gone = sum(not os.path.lexists(path) for path in paths)
        if gone:
            found[package] = gone
    return found


def packages(info: str = INFO) -> List[str]:
    """Installed packages that belong to one CUDA version (`cuda-nvcc-12-8`)."""
    names = [name[: -len(".list")].split(":")[0] for name in shell.listing(info) if name.endswith(".list")]
    return [name for name in names if re.search(r"-\d+-\d+(-dev)?$", name)]


def observe(query: Dict[str, Any]) -> Dict[str, Any]:
    """`installed` maps `12.8` to its directory and the nvcc version in it; `current` is what /usr/local/cuda leads to."""
    installed = {}
    for name in shell.listing("/usr/local"):
        match = re.fullmatch(r"cuda-(\d+\.\d+)", name)
        path = "/usr/local/" + name
        if match and os.path.isdir(path) and not os.path.islink(path):
            nvcc = path + "/bin/nvcc"
            answer = shell.run([nvcc, "--version"]).out if os.access(nvcc, os.X_OK) else ""
            installed[match.group(1)] = {"path": path, "nvcc": parse_nvcc(answer)}
    link = "/usr/local/cuda"
    current = re.search(r"cuda-(\d+\.\d+)$", os.path.realpath(link)) if os.path.exists(link) else None
    return {
        "installed": installed,
        "current": current.group(1) if current else None,
        "link_dangling": os.path.islink(link) and not os.path.exists(link),
        "lost": lost(packages()),
        "alternatives": parse_alternatives(shell.read("/var/lib/dpkg/alternatives/cuda") or ""),
    }
