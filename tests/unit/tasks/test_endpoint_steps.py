"""What deploy/gateway.py refuses before it touches a machine."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from plan.gateway import Door
from plan.settings import Settings
from tasks import endpoint, gateway, task
from tests.unit.recorded import REPOSITORY

PEM = (REPOSITORY / "tests/data/certificates/one.crt").read_text()


def part(monkeypatch: pytest.MonkeyPatch, doors: list[Door], **settings: Any) -> Any:
    """A machine that was looked at, and its gateway's doors."""
    host = SimpleNamespace(state=SimpleNamespace(is_executing=True), noop=lambda _: None)
    ws = SimpleNamespace(name="gw", settings=Settings(**settings), host=host)
    one = SimpleNamespace(
        settings=ws.settings, seen={"keyed": True}, admitted=lambda: {"gw": PEM}, stale=list, what="endpoint", ws=ws
    )
    monkeypatch.setattr(gateway, "_part", lambda _: one)
    monkeypatch.setattr(endpoint, "doors", lambda _: doors)
    monkeypatch.setattr(task, "host", host, raising=False)
    monkeypatch.setattr("tasks.daemon.host", host)
    return ws


def words(step: Any, ws: Any) -> str:
    """What its commands are."""
    return " ".join(command.get_raw_value() for command in step._inner(ws))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "pc-01"])
def test_a_server_that_the_whole_lab_reaches_needs_no_gateway(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workstations behind a gateway listen to it alone."""
    said = words(gateway.programme, part(monkeypatch, [], host=host))
    assert f"host = '\"'\"'{host}'\"'\"' leaves the server open beside its door" in said and said.endswith("exit 1")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.1.1", "localhost", "::1"])
def test_a_door_elsewhere_is_not_asked_here(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """@local and a gateway on another machine: the gateway would ask itself."""
    door = Door(name="@local", address=address, port=8444, certificate=PEM)
    said = words(gateway.files, part(monkeypatch, [door], role="gateway"))
    assert f"@local would be asked at {address}, which is this gateway itself. Give it door_address" in said
    own = door.model_copy(update={"name": "gw"})
    assert words(gateway.files, part(monkeypatch, [own], role="both")) == ""
    far = door.model_copy(update={"address": "10.0.0.5"})
    assert words(gateway.files, part(monkeypatch, [far], role="gateway")) == ""
