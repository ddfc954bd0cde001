"""Starts that run out of memory: smaller plans in the same run, remembered; and where none is enough, the old server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.host.conftest import MakeHost
from tests.host.lab import Gpu, Host, Lab
from tests.host.product import chat, inventory, run

pytestmark = pytest.mark.host
ROOT = "/home/ops/.local/share/vllm-workstation"
CARD = Gpu("NVIDIA GeForce RTX 3060", 12288, 11300, "581.15", "8.6", 4, 16, 1, 16)
PLAIN = {"vllm_release": "0.32.0"}  # without our plugin: its loading is what decides
OOM = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 276.00 MiB. GPU 0 has a total capacity of 11.99 GiB "
    "of which 162.00 MiB is free."
)
TOLD = "the card ran out of memory while loading (114 MiB short): trying with less on the card"
SCRIPT = f"""#!/bin/sh
n=$(cat /tmp/starts 2>/dev/null || echo 0)
echo $((n + 1)) >/tmp/starts
if CONDITION; then echo 'STANDIN_FAIL="{OOM}"' >/tmp/fail; else : >/tmp/fail; fi
"""


def failing(machine: Host, condition: str) -> None:
    """Make the stand-in server run out of memory while a shell condition holds."""
    folder = "/home/ops/.config/systemd/user/vllm-workstation.service.d"
    machine.write("/usr/local/bin/fail", SCRIPT.replace("CONDITION", condition))
    unit = "[Service]\nEnvironmentFile=-/tmp/fail\nExecStartPre=/bin/sh /usr/local/bin/fail\n"
    machine.write(f"{folder}/fail.conf", unit)
    machine.ssh("chown -R ops:ops /home/ops/.config")


def kept(machine: Host, name: str) -> dict[str, Any]:
    """A JSON file of the service."""
    found: dict[str, Any] = json.loads(machine.read(f"{ROOT}/service/{name}"))
    return found


def test_two_steps_down_and_it_serves(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """The third, smaller plan answers in the same run; what failed and what it took is remembered; a second run changes nothing."""
    lab.rule(lab.python_index, "overlay")
    machine = host("wsl-24.04", [CARD], memory_mib=65536)
    failing(machine, "[ $n -lt 2 ]")
    where = inventory(lab, tmp_path, [machine], "ops", **PLAIN)
    first = run(lab, where, "deploy/full.py", "-y")
    assert first.code == 0, first.text
    assert first.text.count(TOLD) >= 2 and "What served before" not in first.text
    found = kept(machine, "outcomes.json")
    assert found["failures"] == [], "the plan that answered holds their lesson"
    assert kept(machine, "plan.json")["card"]["learnt"]["load"] > 2 * 114 / 1024
    assert found["measured"]["spec"] == kept(machine, "plan.json")["spec"] and found["measured"]["weights_gib"] == 12.83
    second = run(lab, where, "deploy/full.py", "-y", "--json")
    assert (second.code, second.changes) == (0, 0), second.text
    assert machine.read("/tmp/starts").strip() == "3"


def test_never_enough_goes_back(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """Four plans, each smaller, run out of memory: the old server answers again, and the message says why and what can be done."""
    lab.rule(lab.python_index, "overlay")
    machine = host("wsl-24.04", [CARD], memory_mib=65536)
    assert run(lab, inventory(lab, tmp_path, [machine], "ops", **PLAIN), "deploy/full.py", "-y").code == 0
    old = kept(machine, "plan.json")["spec"]
    failing(machine, f'[ "$VLLM_WORKSTATION_SPEC" != {old} ]')
    where = inventory(lab, tmp_path, [machine], "ops", **PLAIN, max_model_len=8192)
    ended = run(lab, where, "deploy/full.py", "-y")
    assert ended.code != 0 and ended.text.count(TOLD) >= 3, ended.text
    assert "CUDA out of memory" in ended.text and "What served before was started again and answers." in ended.text
    assert "ran out of memory on NVIDIA GeForce RTX 3060" in ended.text or "run this again" in ended.text
    assert len(kept(machine, "outcomes.json")["failures"]) == 4
    assert kept(machine, "plan.json")["spec"] == old
    assert "Paris" in chat(machine)["choices"][0]["message"]["content"]
