"""The state that full.py keeps on a machine, as things that any tool can check: read from a converged lab host."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

from plan import exports, service, toolkit
from tests.host.lab import Host

Item = dict[str, Any]
ROOT = "/home/ops/.local/share/vllm-workstation"
SYSTEM = (
    "/etc/apt/sources.list.d/cuda-wsl-ubuntu-x86_64.list",
    "/usr/share/keyrings/cuda-archive-keyring.gpg",
    toolkit.PREFERENCES,
    exports.PROFILE,
)
USER = (
    "service/environment", "service/plan.json", "service/api-key", "lib/helper.pyz", "lib/vllm_workstation_defaults.py", "choice.json",
    "current/pylock.toml", "tools/.complete",
)  # fmt: skip
FOLDERS = (
    ROOT,
    f"{ROOT}/service",
    f"{ROOT}/lib",
    f"{ROOT}/releases",
    f"{ROOT}/models",
    "/home/ops/.config/systemd/user",
)
PACKAGES = ("build-essential", "ca-certificates", "cuda-toolkit-12-8")
DRIVER = "cuda-drivers"  # must not be there
HOOK = "/etc/bash.bashrc"
WSL = "/etc/wsl.conf"
LINES = (
    (HOOK, "^.*# vllm-workstation$"),
    (WSL, "^systemd=.*$"),
)  # a line of each file, as a pattern of sed and of Python


def items(host: Host, folder: Path) -> list[Item]:
    """Everything, with files of known content copied to `folder`; mode and owner are empty where a path is not there."""
    found: list[Item] = [{"kind": "packages", "names": list(PACKAGES)}, {"kind": "absent", "name": DRIVER}]
    found += [{"kind": "directory", **_stat(host, path), "path": path} for path in FOLDERS]
    link = f"{ROOT}/current"  # before what lies under it
    target = host.ssh(["readlink", link], check=False).stdout.strip()
    found.append({"kind": "link", "path": link, "target": target, "owner": "ops"})
    paths = [*SYSTEM, *(f"{ROOT}/{name}" for name in USER), f"/home/ops/{service.UNIT_FILE}"]
    found += [_file(host, path, folder / str(number)) for number, path in enumerate(paths)]
    found += [{"kind": "line", "path": path, **_line(host, path, match)} for path, match in LINES]
    found += [{"kind": "linger", "user": "ops"}, {"kind": "service", "name": service.UNIT, "uid": 1000}]
    return found


def _stat(host: Host, path: str) -> Item:
    mode, owner = host.ssh(f"stat -L -c '%a %U' {path}", check=False).stdout.split() or ("", "")
    return {"mode": mode, "owner": owner}


def _file(host: Host, path: str, copy: Path) -> Item:
    copy.write_bytes(base64.b64decode(host.ssh(["base64", path], check=False).stdout))
    return {"kind": "file", "path": path, "source": str(copy), **_stat(host, path)}


def _line(host: Host, path: str, match: str) -> Item:
    lines = [line for line in host.read(path).splitlines() if re.search(match, line)]
    return {"match": match, "line": lines[-1] if lines else ""}


def write(found: list[Item], path: Path) -> None:
    """As JSON, which the peers' own scripts read."""
    path.write_text(json.dumps(found, indent=1))
