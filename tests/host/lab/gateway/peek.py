"""Read the name that a new connection asks for, without taking bytes from it."""

from __future__ import annotations

import socket
import time


def name_of(connection: socket.socket, tls: bool) -> str:
    """The TLS server name or the Host header; empty when there is none."""
    connection.settimeout(20)
    for _ in range(2000):
        data = connection.recv(16384, socket.MSG_PEEK)
        if not data:
            return ""
        name = server_name(data) if tls else host_header(data)
        if name is not None:
            return name
        time.sleep(0.005)
    return ""


def host_header(data: bytes) -> str | None:
    """The Host of an HTTP request; None while its head is incomplete."""
    if b"\r\n\r\n" not in data:
        return None
    for line in data.split(b"\r\n")[1:]:
        if line.lower().startswith(b"host:"):
            return line[5:].strip().split(b":")[0].decode("ascii", "replace")
    return ""


def server_name(data: bytes) -> str | None:
    """The SNI of a ClientHello (RFC 8446 section 4.1.2); None while it is incomplete."""
    if data[0] != 22 or len(data) < 5:
        return "" if data[0] != 22 else None
    end = 5 + int.from_bytes(data[3:5])
    if len(data) < end:
        return None
    try:
        return _sni(data, _extensions(data), end)
    except IndexError:
        return ""


def _extensions(data: bytes) -> int:
    position = 43
    position += 1 + data[position]
    position += 2 + int.from_bytes(data[position : position + 2])
    position += 1 + data[position]
    return position + 2


def _sni(data: bytes, position: int, end: int) -> str:
    while position < end:
        kind = int.from_bytes(data[position : position + 2])
        size = int.from_bytes(data[position + 2 : position + 4])
        if kind == 0:
            return data[position + 9 : position + 4 + size].decode("ascii", "replace")
        position += 4 + size
    return ""
