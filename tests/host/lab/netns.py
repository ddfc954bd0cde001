"""Network namespaces: one for the lab (bridge, gateway, controller), one a host."""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .settings import Settings
from .shell import run

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)
BRIDGE = "br0"


def enter(path: str) -> None:
    """Move the calling thread into the network namespace at PATH (os.setns needs Python 3.12)."""
    with Path(path).open() as namespace:
        if _LIBC.setns(namespace.fileno(), _CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)


@contextmanager
def inside(name: str) -> Iterator[None]:
    """The calling thread is in namespace NAME; sockets made there stay there."""
    back = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        enter(f"/run/netns/{name}")
        yield
    finally:
        enter(f"/proc/self/fd/{back}")
        os.close(back)


def connect(name: str, address: str, port: int, timeout: float = 2) -> socket.socket:
    """A TCP connection made inside namespace NAME."""
    with inside(name):
        return socket.create_connection((address, port), timeout)


def exists(name: str) -> bool:
    """Whether namespace NAME is there."""
    return Path("/run/netns", name).exists()


def create_lab(settings: Settings) -> None:
    """The lab's namespace with its bridge; the gateway's address is on the bridge."""
    if exists(settings.tag):
        return
    run(["ip", "netns", "add", settings.tag])
    steps = (
        "link set lo up",
        f"link add {BRIDGE} type bridge",
        f"addr add {settings.gateway}/24 dev {BRIDGE}",
        f"link set {BRIDGE} up",
    )
    for step in steps:
        run(["ip", "-n", settings.tag, *step.split()])


def create_host(settings: Settings, namespace: str, number: int) -> None:
    """Namespace NAMESPACE with a cable to the lab's bridge; no route out but the bridge."""
    if exists(namespace):
        return
    lab, address = settings.tag, f"{settings.net}.{number}/24"
    run(["ip", "netns", "add", namespace])
    mac = f"02:76:77:00:00:{number:02x}"  # the same each time: else the neighbours' ARP is stale
    cable = f"link add v{number} type veth peer name host0 address {mac} netns {namespace}"
    run(["ip", "-n", lab, *cable.split()])
    run(["ip", "-n", lab, *f"link set v{number} master {BRIDGE} up".split()])
    for step in ("link set lo up", f"addr add {address} dev host0", "link set host0 up"):
        run(["ip", "-n", namespace, *step.split()])


def delete(name: str) -> None:
    """Remove namespace NAME and with it its end of the cable."""
    if exists(name):
        run(["ip", "netns", "del", name])
