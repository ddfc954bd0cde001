"""One machine that is workstation and gateway, with real nginx."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.tasks.endpoints import NGINX, Machine, Server, asked, free_port

pytestmark = pytest.mark.skipif(not NGINX.exists(), reason="nginx is not installed here")


def test_one_machine_is_both(tmp_path: Path) -> None:
    """Its one nginx holds the door and the endpoint."""
    server, port = Server("a"), free_port()
    (tmp_path / "pc").mkdir()
    settings = {"role": "both", "port": server.port, "door_port": free_port(), "gateway_port": port}
    machine = Machine(tmp_path / "pc", **settings, gateway_address="127.0.0.1")
    try:
        machine.write({"pc": machine.read("identity.crt")}, [machine.door("pc")])
        machine.start()
        assert asked(machine, port) == (200, "a 0 2\n")
        assert asked(machine, port, key="wrong")[0] == 401
    finally:
        machine.stop()
        server.stop()
