"""A lab without internet: one machine serves what another cache kept, and a workstation is set up from it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.host.conftest import MakeHost
from tests.host.lab import Lab
from tests.host.product import BIG, chat, inventory, run

LONG = pytest.mark.skipif(
    not os.environ.get("VLLM_WORKSTATION_LONG"), reason="takes minutes: VLLM_WORKSTATION_LONG=1 runs it"
)
pytestmark = [pytest.mark.host, LONG]
HOUSE = "/home/ops/wheelhouse"
SERVER = "~/.local/share/vllm-workstation/cache-server"
FRESH = "rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb; mkdir -p /var/lib/apt/lists/partial"


def test_a_lab_without_internet(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """Filled through a cache that has internet; then every name outside is dead."""
    cache, first = host("debian-12", name="kept"), host("debian-12", [BIG], name="k1")
    where = inventory(lab, tmp_path, [cache], "ops", wheelhouse="")
    assert (done := run(lab, where, "deploy/cache.py", "-y")).code == 0, done.text
    first.ssh(FRESH)
    done = run(lab, inventory(lab, tmp_path, [first], "ops", cache=cache.address), "deploy/full.py", "-y")
    assert done.code == 0, done.text
    where = inventory(lab, tmp_path, [cache], "ops", wheelhouse=HOUSE)
    filled = run(lab, where, "deploy/wheelhouse.py", "-y")
    assert filled.code == 0 and f"{HOUSE} holds what the cache holds" in filled.text, filled.text
    again = run(lab, where, "deploy/wheelhouse.py", "-y", "--json")
    assert (again.code, again.changes) == (0, 0), again.text
    first.destroy()

    cache.ssh("XDG_RUNTIME_DIR=/run/user/1000 systemctl --user disable --now vllm-workstation-cache", user="ops")
    cache.ssh(f"rm -rf {SERVER}", user="ops")  # as another machine has it, with nginx and the folder
    with lab.rules(dict.fromkeys(lab.registries.names, "drop") | dict.fromkeys(OUTSIDE, "drop")):
        done = run(lab, where, "deploy/cache.py", "-y")
        assert done.code == 0, done.text
        again = run(lab, where, "deploy/cache.py", "-y", "--json")
        assert (again.code, again.changes) == (0, 0), again.text
        second, since = host("debian-12", [BIG], name="k2"), time.time()
        second.ssh(FRESH)
        there = inventory(lab, tmp_path, [second], "ops", cache=cache.address, wheelhouse=HOUSE)
        done = run(lab, there, "deploy/full.py", "-y")
        assert done.code == 0 and "straight from the internet" not in done.text, done.text
        assert [one.name for one in lab.requests(since) if one.client in (cache.address, second.address)] == []
        assert "Paris" in chat(second)["choices"][0]["message"]["content"]
        again = run(lab, there, "deploy/full.py", "-y", "--json")
        assert (again.code, again.changes) == (0, 0), again.text


OUTSIDE = ("developer.download.nvidia.com", "wheels.vllm.ai", "download.pytorch.org", "huggingface.co")
