"""The endpoint on this machine: certificate, files, unit, and what runs."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from typing import Any, Dict, List

from . import daemon, shell

UNIT = "vllm-workstation-gateway.service"
PARTS = (
    "clients.conf",
    "doors.json",
    "doors.pem",
    "gateways.pem",
    "identity.crt",
    "nginx.conf",
    "server-key.conf",
    "server.crt",
)


def digest(folder: str) -> str:
    """What tells one state of the files from another."""
    told = "".join(name + daemon.digest("%s/%s" % (folder, name)) for name in PARTS)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def keyed(root: str) -> bool:
    """Whether the door sends the key that the server has now."""
    key = (shell.read(root + "/service/api-key") or "").strip()
    return bool(key) and '"Bearer %s"' % key in (shell.read(root + "/gateway/server-key.conf") or "")


def clients(folder: str) -> bool:
    """Whether nginx compares the key that lies there, and both files are their owner's alone."""
    key = (shell.read(folder + "/key") or "").strip()
    told = '"~^Bearer %s$" 1;' % key.replace(".", "\\.") in (shell.read(folder + "/clients.conf") or "")
    return bool(key) and told and private(folder + "/key") and private(folder + "/clients.conf")


def private(path: str) -> bool:
    """Whether a file is there for its owner alone."""
    try:
        return os.stat(path).st_mode & 0o77 == 0
    except OSError:
        return False


def observe(query: Dict[str, Any]) -> Dict[str, Any]:
    """Everything of this subject. `query`: root, files."""
    root = os.path.expanduser(query["root"])
    folder = root + "/gateway"
    running = daemon.running(folder)
    found = daemon.observe(root, UNIT, query.get("files") or [])
    found["openssl"] = os.path.exists("/usr/bin/openssl")
    found["certificate"] = shell.read(folder + "/identity.crt")
    found["identity"] = private(folder + "/identity.key")
    found["names"] = daemon.load(folder + "/server.json")
    found["clients"] = clients(folder)
    found["keyed"] = keyed(root)
    found["gateways"] = shell.read(folder + "/gateways.pem")
    found["doors"] = daemon.load(folder + "/doors.json")
    found["silent"] = running.get("silent") or []
    found["current"] = running.get("digest") == digest(folder)
    return found


def main(argv: List[str]) -> None:
    """Print it as one line of JSON; the argument is the query."""
    print(json.dumps(observe(json.loads(argv[0])), sort_keys=True))


if __name__ == "__main__":
    main(sys.argv[1:])
