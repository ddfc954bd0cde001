"""One client connection that the gateway answers itself."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..rules import Rules
from .log import Log

Handle = Callable[["Answer"], None]


class Answer(BaseHTTPRequestHandler):
    """HTTP/1.1 with keep-alive; the rule of the name is read again at each request."""

    protocol_version = "HTTP/1.1"
    timeout = 75
    wbufsize = 65536

    def __init__(self, connection: socket.socket, client: str, name: str, state: Path, rules: Rules, log: Log) -> None:
        """Handle all requests of CONNECTION."""
        self.name, self.state, self.rules, self.log = name, state, rules, log
        self.client = client
        self.upstream: HTTPSConnection | None = None
        self.status, self.sent = 0, 0
        super().__init__(connection, (client, 0), None)  # type: ignore[arg-type]

    @property
    def file(self) -> Path:
        """The stand-in file that this request names (it may not exist)."""
        parts = [p for p in unquote(urlsplit(self.path).path).split("/") if p not in ("", ".", "..")]
        return self.state.joinpath("www", self.name, *parts)

    def dispatch(self) -> None:
        """Answer by the rule of the name, then log."""
        self.status, self.sent = 0, 0
        try:
            self._by_rule(self.rules.of(self.name))
            self.wfile.flush()
        except OSError:
            self.close_connection = True
        finally:
            line = (self.client, self.name, self.command, self.path, self.status, self.sent)
            self.log.write(*line)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = dispatch

    def _by_rule(self, rule: str) -> None:
        kind, _, value = rule.partition(":")
        if kind == "status":
            self.reply(int(value), f"stand-in answers {value}\n".encode(), {"Retry-After": "1"})
        elif kind == "app":
            import_module(f"tests.host.lab.apps.{value}").answer(self)
        elif kind in ("dir", "overlay"):
            handle: Handle = import_module(f"tests.host.lab.gateway.{kind}").answer
            handle(self)
        else:
            time.sleep(600 if kind == "hang" else 0)
            self.close_connection = True

    def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """A whole answer at once."""
        every = {"Content-Type": "text/plain", "Content-Length": str(len(body)), **(headers or {})}
        self.begin(status, every)
        self.body(body)

    def begin(self, status: int, headers: dict[str, str]) -> None:
        """Status and headers."""
        self.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def body(self, data: bytes) -> None:
        """Part of the body; nothing for HEAD."""
        if self.command != "HEAD":
            self.wfile.write(data)
            self.sent += len(data)

    def log_message(self, *_: object) -> None:
        """Requests go to the lab's own log."""
