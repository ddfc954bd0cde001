"""The gateway's log: one JSON line a request."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Request:
    """One request, or (method RELAY) one whole connection that was passed through."""

    time: float
    client: str
    name: str
    method: str
    path: str
    status: int
    size: int


class Log:
    """Append-only; written by the gateway, read by tests."""

    def __init__(self, path: Path) -> None:
        """PATH is made when first written."""
        self.path = path
        self._lock = threading.Lock()

    def write(self, client: str, name: str, method: str, path: str, status: int, size: int) -> None:
        """Add a line."""
        line = json.dumps([round(time.time(), 3), client, name, method, path, status, size])
        with self._lock, self.path.open("a") as log:
            log.write(line + "\n")

    def read(self, since: float = 0) -> list[Request]:
        """Requests answered after SINCE (time.time())."""
        if not self.path.exists():
            return []
        every = (Request(*json.loads(line)) for line in self.path.read_text().splitlines())
        return [request for request in every if request.time >= since]
