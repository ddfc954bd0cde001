"""What nginx listens at: where it was told, and where the kernel says that it does."""

from __future__ import annotations

import os
import re
import socket
import struct
import time
from typing import Set, Tuple

SECONDS = 4.0  # nginx tries to have a port for 2.5
At = Tuple[str, int]  # numeric address and port
_TOLD = re.compile(r"^\s*listen (\[[0-9A-Fa-f:]+\]|[0-9.]+):(\d+)", re.M)


def told(conf: str) -> Set[At]:
    """Out of its configuration."""
    return {(_plain(address.strip("[]")), int(port)) for address, port in _TOLD.findall(conf)}


def held(pid: int) -> Set[At]:
    """Out of /proc, for one process."""
    ours = _sockets(pid)
    found: Set[At] = set()
    for name in ("tcp", "tcp6"):
        for row in _rows("/proc/net/" + name):
            if row[3] == "0A" and row[9] in ours:
                address, _, port = row[1].partition(":")
                found.add((_decoded(address), int(port, 16)))
    return found


def lacking(conf: str, pid: int) -> str:
    """Empty where a process listens as its configuration says, or does within some seconds; "own": it has the port itself, at
    another address, which only a new start gives up; else the first port that somebody else has."""
    end = time.monotonic() + SECONDS
    while True:
        have = held(pid)
        missing = sorted(told(conf) - have)
        if not missing:
            return ""
        if any(port in {port for _, port in have} for _, port in missing):
            return "own"
        if time.monotonic() > end:
            return str(missing[0][1])
        time.sleep(0.1)


def _sockets(pid: int) -> Set[str]:
    found = set()
    try:
        for name in os.listdir("/proc/%d/fd" % pid):
            try:
                link = os.readlink("/proc/%d/fd/%s" % (pid, name))
            except OSError:
                continue
            if link.startswith("socket:["):
                found.add(link[8:-1])
    except OSError:
        pass
    return found


def _rows(path: str) -> "list[list[str]]":
    try:
        with open(path) as file:
            return [line.split() for line in list(file)[1:]]
    except OSError:
        return []


def _decoded(text: str) -> str:
    """The kernel writes words of 32 bits in the machine's order."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    return socket.inet_ntop(socket.AF_INET6 if len(words) > 1 else socket.AF_INET, struct.pack("=%dI" % len(words), *words))


def _plain(address: str) -> str:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.inet_ntop(family, socket.inet_pton(family, address))
