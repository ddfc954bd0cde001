"""The HTTP surface of `vllm serve` that clients and health checks use."""

from __future__ import annotations

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from . import __version__
from .chat import chunks, completion


class Server(ThreadingHTTPServer):
    """Bound at once (a taken port fails early), listening when started up."""

    daemon_threads = True

    def __init__(self, host: str, port: int, names: list[str], keys: list[str]) -> None:
        """Answer for models NAMES to clients that know one of KEYS (no keys: to all)."""
        super().__init__((host, port), Handler, bind_and_activate=False)
        self.names, self.keys = names, keys
        self.max_model_len = 131072
        self.requests = 0
        self.server_bind()

    def listen(self) -> None:
        """Accept connections from now on."""
        self.server_activate()


class Handler(BaseHTTPRequestHandler):
    """/health, /version, /metrics, and /v1 behind the key."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        """Health, version, metrics, models."""
        if self.path == "/health":
            self.send(200, b"")
        elif self.path == "/version":
            self.json(200, {"version": __version__})
        elif self.path == "/metrics":
            self.send(200, f"vllm:request_success_total {self.server.requests}\n".encode())
        elif self.path == "/v1/models" and self.allowed():
            self.json(200, {"object": "list", "data": [self.model(n) for n in self.server.names]})
        elif self.path != "/v1/models":
            self.json(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        """/v1/chat/completions, whole or as a stream."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != "/v1/chat/completions":
            self.json(404, {"detail": "Not Found"})
        elif self.allowed():
            self.chat(json.loads(body))

    def allowed(self) -> bool:
        """401, as vLLM answers, without the key."""
        given = self.headers.get("Authorization", "")
        if not self.server.keys or given in [f"Bearer {key}" for key in self.server.keys]:
            return True
        self.json(401, {"error": "Unauthorized"})
        return False

    def chat(self, asked: dict[str, Any]) -> None:
        """Answer a chat request."""
        if asked.get("model", self.server.names[0]) not in self.server.names:
            message = f"The model `{asked['model']}` does not exist."
            error = {"message": message, "type": "NotFoundError", "param": None, "code": 404}
            self.json(404, {"error": error})
            return
        self.server.requests += 1
        asked.setdefault("model", self.server.names[0])
        if not asked.get("stream"):
            self.json(200, completion(asked))
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for chunk in chunks(asked):
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def model(self, name: str) -> dict[str, Any]:
        """One entry of /v1/models."""
        return {
            "id": name, "object": "model", "created": int(time.time()), "owned_by": "vllm",
            "root": name, "parent": None, "max_model_len": self.server.max_model_len,
            "permission": [],
        }  # fmt: skip

    def json(self, status: int, value: object) -> None:
        """A JSON answer."""
        self.send(status, json.dumps(value).encode(), "application/json")

    def send(self, status: int, body: bytes, kind: str = "text/plain") -> None:
        """A whole answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
