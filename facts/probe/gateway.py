"""The endpoint on this machine: certificate, files, unit, and what runs."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import sys
from typing import Any, Dict, List

from . import files, service, shell

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
    """What tells one state of the files from another (the same as tasks/remote/gateway.py's)."""
    told = "".join(name + (_digest("%s/%s" % (folder, name))) for name in PARTS)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _digest(path: str) -> str:
    data = shell.read_bytes(path)
    return hashlib.sha256(data).hexdigest() if data is not None else ""


def _load(path: str) -> Any:
    try:
        return json.loads(shell.read(path) or "null")
    except ValueError:
        return None


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
    """Everything of this subject. `query`: root."""
    root = os.path.expanduser(query["root"])
    folder = root + "/gateway"
    told = _load(folder + "/state/running.json")
    running: Dict[str, Any] = told if isinstance(told, dict) else {}
    return {
        "root": root,
        "home": os.path.expanduser("~"),
        "uid": os.geteuid(),
        "host": os.uname().nodename,
        "nginx": os.path.exists("/usr/sbin/nginx"),
        "openssl": os.path.exists("/usr/bin/openssl"),
        "systemd": os.path.isdir("/run/systemd/system"),
        "helper": _digest(root + "/lib/helper.pyz"),
        "certificate": shell.read(folder + "/identity.crt"),
        "identity": private(folder + "/identity.key"),
        "names": _load(folder + "/server.json"),
        "clients": clients(folder),
        "keyed": keyed(root),
        "gateways": shell.read(folder + "/gateways.pem"),
        "doors": _load(folder + "/doors.json"),
        "files": files.observe({"files": query.get("files") or []}),
        "linger": os.path.exists("/var/lib/systemd/linger/" + pwd.getpwuid(os.geteuid()).pw_name),
        "unit": service.unit(UNIT),
        "silent": running.get("silent") or [],
        "current": alive(running) and running.get("digest") == digest(folder),
    }


def alive(running: Dict[str, Any]) -> bool:
    """Whether the process that wrote this is there."""
    return bool(running) and os.path.exists("/proc/%s" % running.get("pid"))


def main(argv: List[str]) -> None:
    """Print it as one line of JSON; the argument is the query."""
    print(json.dumps(observe(json.loads(argv[0])), sort_keys=True))


if __name__ == "__main__":
    main(sys.argv[1:])
