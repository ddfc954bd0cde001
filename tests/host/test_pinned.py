"""How much host memory the driver pins is tried before the release is chosen, and decides."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.host.conftest import MakeHost
from tests.host.lab import Gpu, Lab
from tests.host.product import inventory, run

pytestmark = pytest.mark.host
ROOT = "/home/ops/.local/share/vllm-workstation"
CARD = Gpu("NVIDIA GeForce RTX 3060", 12288, 11300, "581.15", "8.6", 4, 16, 1, 16)


def test_wsl_that_pins_little(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """A 12 GB card behind a driver that pins 1,000 MiB: no download is begun; the reason names what was tried. With more it serves."""
    lab.rule(lab.python_index, "overlay")
    machine = host("wsl-24.04", [CARD], memory_mib=32768)
    facts = json.loads(machine.read("/etc/standin-gpu.json"))
    machine.write("/etc/standin-gpu.json", json.dumps({"pin_limit_mib": 1000, **facts}))
    where = inventory(lab, tmp_path, [machine], "ops")
    ended = run(lab, where, "deploy/full.py", "-y")
    assert ended.code != 0 and "host memory that can be pinned: 0.9 of " in ended.text, ended.text
    assert "0.9 GiB can be pinned (tried)" in ended.text
    assert machine.ssh(f"ls {ROOT}/releases 2>/dev/null | wc -l", user="ops").stdout.strip() == "0"

    machine.write("/etc/standin-gpu.json", json.dumps(facts))
    machine.ssh(f"rm {ROOT}/pinned.json", user="ops")
    again = run(lab, where, "deploy/full.py", "-y")
    assert again.code == 0, again.text
    found = json.loads(machine.read(f"{ROOT}/pinned.json"))
    assert found["mib"] == found["asked_mib"] and found["error"] is None
    second = run(lab, where, "deploy/full.py", "-y", "--json")
    assert (second.code, second.changes) == (0, 0), second.text
