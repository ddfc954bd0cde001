"""Ask a workstation's door whether its server answers, showing our certificate and knowing its own."""

from __future__ import annotations

import http.client
import socket
import ssl
from typing import Any, Dict, Optional

NAME = "vllm-workstation"
SECONDS = 4  # a server under load answers /health late


def ask(folder: str, door: Dict[str, Any]) -> Optional[bool]:
    """True: it answers; False: it says no, or nobody is there; None: nothing was said in time."""
    try:
        return _status(folder, door) == 200
    except (socket.timeout, TimeoutError):
        return None
    except (OSError, ssl.SSLError, http.client.HTTPException, ValueError):
        return False


def _status(folder: str, door: Dict[str, Any]) -> int:
    context = ssl.create_default_context(cadata=door["certificate"])
    context.load_cert_chain(folder + "/identity.crt", folder + "/identity.key")
    with socket.create_connection((door["address"], door["port"]), SECONDS) as plain:
        with context.wrap_socket(plain, server_hostname=NAME) as secure:
            secure.sendall(b"GET /health HTTP/1.0\r\nHost: %s\r\n\r\n" % NAME.encode())
            words = secure.recv(64).split()
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
