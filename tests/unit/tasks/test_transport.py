"""Hosts are connected to each by itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from pyinfra.api.exceptions import ConnectError

from tasks import transport
from tests.unit.recorded import REPOSITORY


class Host:
    """A host whose connection takes a while, or fails some times."""

    def __init__(self, name: str, seconds: float = 0, fails: int = 0, **data: Any) -> None:
        self.name, self.seconds, self.fails, self.data = name, seconds, fails, data
        self.connected, self.tries = False, 0

    def _connect(self, *_: Any, **__: Any) -> None:
        self.tries += 1
        gevent.sleep(self.seconds)
        if self.tries <= self.fails:
            raise ConnectError("no route to host")
        self.connected = True

    connect: Any = transport._once(_connect)
    ask: Any = transport._connected(lambda host, word: f"{host.name} {word}")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_opening", {})
    monkeypatch.setattr(transport, "_why", {})
    monkeypatch.setattr(transport, "PAUSE", 0.01)


def opened(*hosts: Host, yes: bool = True) -> tuple[set[str], list[Any]]:
    active: set[str] = set()
    original: list[Any] = []
    state: Any = SimpleNamespace(
        check_for_changes=not yes, inventory=hosts, is_host_in_limit=lambda host: host.name != "left-out",
        activate_host=lambda host: active.add(host.name),
    )  # fmt: skip
    transport._each_by_itself(original.append)(state)
    return active, original


def test_a_slow_host_keeps_nobody_waiting() -> None:
    slow, quick = Host("slow", 30), Host("quick")
    assert opened(slow, quick, Host("left-out"))[0] == {"slow", "quick"}
    with gevent.Timeout(2):
        assert quick.ask("says") == "quick says"
    assert not slow.connected
    gevent.killall(list(transport._opening.values()))


def test_a_dead_host_fails_when_it_is_asked() -> None:
    dead = Host("dead", fails=99)
    opened(dead)
    with pytest.raises(ConnectError, match="no route to host"):
        dead.ask("x")
    with pytest.raises(ConnectError, match="no route to host"):
        dead.connect(raise_exceptions=True)
    assert dead.tries == 1 and dead.connect() is None


def test_a_fact_does_not_connect_twice() -> None:
    host = Host("pc", 0.05)
    opened(host)
    host.connect(raise_exceptions=True)
    assert host.connected and host.tries == 1


def test_connect_wait_goes_on_trying() -> None:
    host = Host("pc", fails=2, connect_wait=5)
    opened(host)
    assert host.ask("says") == "pc says" and host.tries == 3


def test_who_is_asked_first_sees_pyinfra_s_own_way() -> None:
    assert len(opened(Host("pc"), yes=False)[1]) == 1 and not transport._opening


CONFIG = """
import sys
sys.dont_write_bytecode = True  # as pyinfra_cli does
sys.path.append(".")
import pyinfra_cli.cli
exec(open("config.py").read().partition("config.REQUIRE")[0])
import plan.settings
"""


@pytest.mark.parametrize("env", [{}, {"PYTHONDONTWRITEBYTECODE": "1"}])
def test_what_was_compiled_is_kept_for_the_next_run(env: dict[str, str], tmp_path: Path) -> None:
    """Unless the user wants none of it."""
    for name in ("plan", "tasks", "facts"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "config.py", tmp_path)
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", CONFIG], cwd=tmp_path, env=kept | env, check=True, timeout=60)
    assert bool(list((tmp_path / "plan").rglob("settings.*.pyc"))) is not bool(env)
    assert bool(list((tmp_path / "tasks").rglob("transport.*.pyc"))) is not bool(env)
