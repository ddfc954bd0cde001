"""The endpoint on this machine: certificate, files, unit, and what runs."""

from __future__ import annotations

import hashlib
import json
import os
import re
import ssl
import sys
from typing import Any, Dict, List, Optional

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
SHOWN = re.compile(r"^\s*ssl_certificate(?:_key)? (\S+);", re.M)
ONE = re.compile(r"-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n\Z")


def digest(folder: str) -> str:
    """What tells one state of the files from another."""
    told = "".join(name + daemon.digest("%s/%s" % (folder, name)) for name in PARTS) + shown(folder)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def shown(folder: str) -> str:
    """The certificates that nginx shows and their keys, wherever they lie, as digests."""
    return " ".join(daemon.digest(path) for path in SHOWN.findall(shell.read(folder + "/nginx.conf") or ""))


def certificate(folder: str) -> Optional[str]:
    """This machine's own, as PEM; None where it is not one certificate that TLS can read."""
    text = shell.read(folder + "/identity.crt") or ""
    if not ONE.match(text):
        return None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ValueError, ssl.SSLError):
        return None
    return text


def keyed(root: str) -> bool:
    """Whether the door sends the key that the server has now."""
    key = (shell.read(root + "/service/api-key") or "").strip()
    return bool(key) and '"Bearer %s"' % key in (shell.read(root + "/gateway/server-key.conf") or "")


def clients(folder: str) -> bool:
    """Whether nginx compares the key that lies there, and both files are their owner's alone."""
    key = (shell.read(folder + "/key") or "").strip()
    told = '"~^Bearer %s$" 1;' % re.sub(r"([.+])", r"\\\1", key) in (shell.read(folder + "/clients.conf") or "")
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
    found["certificate"] = certificate(folder)
    found["identity"] = private(folder + "/identity.key")
    found["names"] = daemon.load(folder + "/server.json")
    found["clients"] = clients(folder)
    found["keyed"] = keyed(root)
    found["gateways"] = shell.read(folder + "/gateways.pem")
    found["doors"] = daemon.load(folder + "/doors.json")
    found["silent"] = running.get("silent") or []
    found["code"] = running.get("code") == found["helper"]
    found["current"] = found["code"] and running.get("digest") == digest(folder)
    return found


def main(argv: List[str]) -> None:
    """Print it as one line of JSON; the argument is the query."""
    print(json.dumps(observe(json.loads(argv[0])), sort_keys=True))


if __name__ == "__main__":
    main(sys.argv[1:])
