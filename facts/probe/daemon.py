"""What every service of ours besides the server needs of this machine, and what its process said of itself."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
from typing import Any, Dict, List

from . import files, service, shell


def digest(path: str) -> str:
    """sha256 of a file; empty where it cannot be read."""
    data = shell.read_bytes(path)
    return hashlib.sha256(data).hexdigest() if data is not None else ""


def load(path: str) -> Any:
    """JSON out of a file; None where there is none."""
    try:
        return json.loads(shell.read(path) or "null")
    except ValueError:
        return None


def running(folder: str) -> Dict[str, Any]:
    """What the process that runs now wrote of itself (`pid`, `digest`, …); empty where none runs."""
    told = load(folder + "/state/running.json")
    if not isinstance(told, dict) or not os.path.exists("/proc/%s" % told.get("pid")):
        return {}
    return told


def observe(root: str, unit: str, paths: List[str]) -> Dict[str, Any]:
    """The machine, our helper, the user unit and the files that belong to it. `root`: absolute."""
    return {
        "root": root,
        "home": os.path.expanduser("~"),
        "uid": os.geteuid(),
        "host": os.uname().nodename,
        "nginx": os.path.exists("/usr/sbin/nginx"),
        "systemd": os.path.isdir("/run/systemd/system"),
        "helper": digest(root + "/lib/helper.pyz"),
        "files": files.observe({"files": paths}),
        "linger": os.path.exists("/var/lib/systemd/linger/" + pwd.getpwuid(os.geteuid()).pw_name),
        "unit": service.unit(unit),
    }
