"""Ask whether a server answers: our own one, or one behind a door, showing our certificate and knowing its own."""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.error
from typing import Any, Dict, Optional

from . import common

NAME = "vllm-workstation"
SECONDS = 4  # a server under load answers /health late


def ask(folder: str, door: Dict[str, Any], address: str) -> Optional[bool]:
    """True: it answers; False: it says no, or nobody is there; None: nothing was said in time. `address`: numeric, or ""."""
    try:
        return bool(address) and _status(folder, door, address) == 200
    except (socket.timeout, TimeoutError):
        return None
    except (OSError, ssl.SSLError, http.client.HTTPException, ValueError):
        return False


def _status(folder: str, door: Dict[str, Any], address: str) -> int:
    context = ssl.create_default_context(cadata=door["certificate"])
    context.load_cert_chain(folder + "/identity.crt", folder + "/identity.key")
    with socket.create_connection((address, door["port"]), SECONDS) as plain:
        with context.wrap_socket(plain, server_hostname=NAME) as secure:
            secure.sendall(b"GET /health HTTP/1.0\r\nHost: %s\r\n\r\n" % NAME.encode())
            words = secure.recv(64).split()
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def own(plan: Dict[str, Any]) -> Optional[bool]:
    """The same of this machine's own server, as service/plan.json says where it listens."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(plan.get("host", ""), plan.get("host"))
    try:
        with common.near("http://%s:%s/health" % (host, plan.get("port")), timeout=SECONDS) as answer:
            return bool(answer.status == 200)
    except (socket.timeout, TimeoutError):
        return None
    except urllib.error.URLError as error:
        return None if isinstance(error.reason, (socket.timeout, TimeoutError)) else False
    except (OSError, http.client.HTTPException, ValueError):
        return False
