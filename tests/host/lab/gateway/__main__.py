"""`python -m tests.host.lab.gateway DIR TAG ADDRESS`: started by the lab."""

from __future__ import annotations

import os
import socket
import socketserver
import sys
import threading
import time
from pathlib import Path

from .. import netns
from ..certificates import Authority
from ..rules import Rules
from .answer import Answer
from .log import Log
from .peek import name_of
from .relay import relay


class Server(socketserver.ThreadingTCPServer):
    """One thread a connection."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: str, port: int, state: Path) -> None:
        """Listen on ADDRESS:PORT in the current network namespace."""
        super().__init__((address, port), Connection)
        self.tls = port == 443
        self.state = state
        self.rules = Rules(state / "rules.json")
        self.log = Log(state / "requests.jsonl")
        self.authority = Authority(state / "ca")

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are no news."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class Connection(socketserver.BaseRequestHandler):
    """Decide by name what happens to a connection."""

    server: Server
    request: socket.socket

    def handle(self) -> None:
        """Relay, hang, close or answer."""
        name = name_of(self.request, self.server.tls)
        rule = self.server.rules.of(name)
        if rule == "pass":
            self._relay(name)
        elif rule == "hang":
            time.sleep(600)
        elif rule in ("", "drop"):
            kind = "DROPPED" if rule else "REFUSED"
            self.server.log.write(self.client_address[0], name, kind, "", 0, 0)
        else:
            self._answer(name)

    def _relay(self, name: str) -> None:
        port = 443 if self.server.tls else 80
        with socket.create_connection((name, port), 20) as upstream:
            upstream.settimeout(None)
            self.request.settimeout(None)
            size = relay(self.request, upstream)
        self.server.log.write(self.client_address[0], name, "RELAY", "", 0, size)

    def _answer(self, name: str) -> None:
        server, connection = self.server, self.request
        if server.tls:
            context = server.authority.context(name)
            connection = context.wrap_socket(connection, server_side=True)
        Answer(connection, self.client_address[0], name, server.state, server.rules, server.log)
        connection.close()


def main() -> None:
    """Listen inside the lab's namespace, serve from this one."""
    state, tag, address = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    with netns.inside(tag):
        servers = [Server(address, port, state) for port in (80, 443)]
    threading.Thread(target=servers[0].serve_forever, daemon=True).start()
    (state / "gateway.pid").write_text(str(os.getpid()))
    servers[1].serve_forever()


if __name__ == "__main__":
    main()
