"""The cache for a lab on this machine: files, unit, and what runs."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from typing import Any, Dict, List

from . import daemon

UNIT = "vllm-workstation-cache.service"
UNIT_FILE = ".config/systemd/user/" + UNIT


def paths(root: str) -> List[str]:
    """The files that a running cache was started from."""
    return [root + "/cache-server/nginx.conf", root + "/cache-server/sites.json", os.path.expanduser("~/" + UNIT_FILE)]


def digest(root: str) -> str:
    """What tells one state of the files from another (the same as plan/cache.py's)."""
    told = [[os.path.basename(path), daemon.digest(path)] for path in paths(root)]
    return hashlib.sha256(json.dumps(sorted(told)).encode()).hexdigest()[:16]


def missing(source: str, target: str) -> List[str]:
    """Kept answers of one folder that another lacks or has in another size, relative; nginx names them by 32 digits."""
    found = []
    for base, _, names in os.walk(source):
        for name in names:
            path = os.path.relpath(os.path.join(base, name), source)
            if len(name) == 32 and _size(os.path.join(source, path)) != _size(os.path.join(target, path)):
                found.append(path)
    return sorted(found)


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return -1


def lacking(root: str, wheelhouse: str) -> bool:
    """Whether a wheelhouse holds what the cache does not. Sizes differ where a page was asked for anew, so names count alone."""
    kept = root + "/cache-server"
    there = [
        one for one in missing(wheelhouse + "/data", kept + "/data") if not os.path.exists("%s/data/%s" % (kept, one))
    ]
    return bool(there) or not os.path.exists(kept + "/wheelhouse.json")


def unfilled(root: str, wheelhouse: str) -> bool:
    """Whether the cache keeps what a wheelhouse lacks."""
    return not os.path.exists(wheelhouse + "/cache.json") or bool(
        missing(root + "/cache-server/data", wheelhouse + "/data")
    )


def observe(query: Dict[str, Any]) -> Dict[str, Any]:
    """Everything of this subject. `query`: root, wheelhouse."""
    root, wheelhouse = os.path.expanduser(query["root"]), query.get("wheelhouse") or ""
    venvs = ("/usr/lib/python3%s/ensurepip" % end for end in ("", ".%d" % sys.version_info[1]))
    found = daemon.observe(root, UNIT, paths(root))
    found["venv"] = any(os.path.exists(path) for path in venvs)
    found["lacking"] = lacking(root, wheelhouse) if wheelhouse else False
    found["unfilled"] = unfilled(root, wheelhouse) if wheelhouse else False
    found["running"] = daemon.running(root + "/cache-server").get("digest")
    return found


def main(argv: List[str]) -> None:
    """Print it as one line of JSON; the argument is the query."""
    print(json.dumps(observe(json.loads(argv[0])), sort_keys=True))
