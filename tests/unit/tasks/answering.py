"""A web server in a thread that answers as a function does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def serve(answer: Callable[[Any], None], port: int = 0, talks: list[socket.socket] | None = None) -> ThreadingHTTPServer:
    """On 127.0.0.1; GET, HEAD and POST call `answer` with the handler. `talks`: gets each connection."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Nothing."""

        def setup(self) -> None:
            super().setup()
            if talks is not None:
                talks.append(self.connection)

        def do_GET(self) -> None:
            answer(self)

        do_HEAD = do_POST = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
