"""How hosts are connected to: each by itself, so that a slow or dead one keeps nobody waiting. `config.py` installs it."""

from __future__ import annotations

import importlib
import resource
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gevent
from gevent.lock import BoundedSemaphore
from pyinfra.api import Host, State
from pyinfra.api import state as pyinfra_state
from pyinfra.api.exceptions import ConnectError
from pyinfra.connectors.ssh import SSHConnector

AT_ONCE = 64  # key exchanges at a time: more would let each take longer than paramiko's 15 s for a banner
FILES = 3  # open files a host, as pyinfra counts
PAUSE = 5  # seconds between attempts to reach a host

_opening: dict[Host, Any] = {}
_why: dict[Host, str] = {}
_doors = BoundedSemaphore(AT_ONCE)


def install() -> int:
    """Take effect for this run; returns how many hosts can be worked on at once."""
    cli: Any = importlib.import_module("pyinfra_cli.cli")  # it is at work when this is called
    cli.connect_all = _each_by_itself(cli.connect_all)
    connector: Any = SSHConnector
    connector.connect = _without_delay(SSHConnector.connect)
    for name in ("run_shell_command", "put_file", "get_file"):
        setattr(Host, name, _connected(getattr(Host, name)))
    connects: Any = Host
    connects.connect = _once(Host.connect)
    return _hosts()


def _hosts() -> int:
    """Hosts that the limit of open files allows, once it is as high as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    many: int = max(1, (hard - 10) // FILES) if hard != resource.RLIM_INFINITY else 100_000
    pyinfra_state.MAX_PARALLEL = many
    return many


def _each_by_itself(original: Callable[[State], None]) -> Callable[[State], None]:
    """With -y: begin all connections and wait for none. Else pyinfra asks whether to go on without those that failed."""

    def connect_all(state: State) -> None:
        if state.check_for_changes:
            return original(state)
        for host in state.inventory:
            if state.is_host_in_limit(host):
                state.activate_host(host)
                _opening[host] = gevent.spawn(_connect, host)
        return _meanwhile()

    return connect_all


def _meanwhile() -> None:
    """Import what the deploys need in a thread of its own, while the hosts are being connected to: 0.3 s that nobody waits for."""
    if any(word.startswith("deploy/") for word in sys.argv):
        with suppress(Exception):  # the deploy itself will tell
            gevent.get_hub().threadpool.apply(importlib.import_module, ("deploy.compose",))


def _connect(host: Host) -> None:
    """Reach a host; for as long as its setting `connect_wait` says."""
    wait = host.data.get("connect_wait")
    until = time.monotonic() + (wait if isinstance(wait, int) else 0)
    while True:
        try:
            with _doors:
                host.connect(show_errors=False, raise_exceptions=True)
            return
        except ConnectError as error:
            _why[host] = str(error.args[0] if error.args else error)
        except Exception as error:  # greenlets must not die with a traceback on the terminal
            _why[host] = f"{type(error).__name__}: {error}"
        if time.monotonic() >= until:
            return
        gevent.sleep(PAUSE)


def _connected(original: Callable[..., Any]) -> Callable[..., Any]:
    """Whatever is asked of a host waits for its own connection. Raises ConnectError where there is none."""

    def ask(host: Host, *words: Any, **more: Any) -> Any:
        if (opening := _opening.get(host)) is not None:
            opening.join()
            if not host.connected:
                raise ConnectError(_why.get(host) or "could not connect")
        return original(host, *words, **more)

    return ask


def _once(original: Callable[..., Any]) -> Callable[..., Any]:
    """A fact of a host that is being connected to does not begin a second connection."""

    def connect(host: Host, *words: Any, **more: Any) -> Any:
        opening = _opening.get(host)
        if opening is None or opening is gevent.getcurrent():
            return original(host, *words, **more)
        opening.join()
        if not host.connected and more.get("raise_exceptions"):
            raise ConnectError(_why.get(host) or "could not connect")
        return None

    return connect


def _without_delay(original: Callable[[SSHConnector], None]) -> Callable[[SSHConnector], None]:
    """paramiko leaves Nagle's algorithm on, which costs 40 ms a command."""

    def connect(connector: SSHConnector) -> None:
        original(connector)
        transport = connector.client.get_transport() if connector.client is not None else None
        if transport is not None and isinstance(transport.sock, socket.socket):
            transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    return connect
