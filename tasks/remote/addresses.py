"""Where doors are, in numbers: nginx does not start for want of one name that nobody knows."""

from __future__ import annotations

import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, Dict, List

SECONDS = 3  # for all names together; one that is not told in time stays as it was


def find(doors: List[Dict[str, Any]], known: Dict[str, str]) -> Dict[str, str]:
    """Each door's numeric address by its name; as `known` while it is still one of its own or none is told, "" where there never was one."""
    found = {door["name"]: _numeric(door["address"]) or known.get(door["name"], "") for door in doors}
    named = [door for door in doors if not _numeric(door["address"])]
    if named:
        pool = ThreadPoolExecutor(min(32, len(named)))
        asked = {door["name"]: pool.submit(_told, door["address"]) for door in named}
        done = wait(asked.values(), SECONDS).done
        pool.shutdown(wait=False)
        told = {name: future.result() for name, future in asked.items() if future in done}
        found.update({name: one[0] for name, one in told.items() if one and found[name] not in one})
    return found


def _numeric(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address.strip("[]")))
    except ValueError:
        return ""


def _told(name: str) -> List[str]:
    """All addresses of a name, those of IPv4 first; none where it is not known."""
    try:
        told = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        return []
    return [str(at[0]) for _, _, _, _, at in sorted(told, key=lambda one: one[0] != socket.AF_INET)]


def upstream(doors: List[Dict[str, Any]], at: Dict[str, str]) -> str:
    """nginx's list of workstations. One that refuses or is shut is left out for two seconds and then tried with one request."""
    text = "".join(_line(door, at[door["name"]]) for door in doors) or _line({}, "")
    return "upstream workstations {\n  least_conn;\n  zone workstations 1m;\n%s  keepalive 64;\n}\n" % text


def _line(door: Dict[str, Any], address: str) -> str:
    if not address:
        return "  server 127.0.0.1:9 down;\n"
    host = "[%s]" % address if ":" in address else address
    return "  server %s:%d max_fails=1 fail_timeout=2s;\n" % (host, door["port"])
