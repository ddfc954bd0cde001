"""Carry bytes between two sockets until both ends are done."""

from __future__ import annotations

import select
import socket
from contextlib import suppress


def relay(client: socket.socket, server: socket.socket) -> int:
    """Copy both ways; the number of bytes that went to the client."""
    other = {client: server, server: client}
    received = 0
    while other:
        ready = select.select(list(other), [], [], 600)[0]
        if not ready:
            break
        for source in ready:
            data = source.recv(262144)
            if not data:
                with suppress(OSError):
                    other.pop(source).shutdown(socket.SHUT_WR)
                continue
            other[source].sendall(data)
            received += len(data) if source is server else 0
    return received
