"""Small cards: offload where it is known to work, the same plan on the next run, a refusal with numbers where it is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.host.conftest import MakeHost
from tests.host.lab import Gpu, Lab
from tests.host.product import inventory, run

pytestmark = pytest.mark.host


def test_12_gib_in_wsl(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """A 12 GB card gets a release that can offload; its running server does not change its own plan."""
    lab.rule(lab.python_index, "overlay")
    machine = host("wsl-24.04", [Gpu("NVIDIA GeForce RTX 3060", 12288, 11300, "581.15", "8.6", 4, 16, 1, 16)])
    where = inventory(lab, tmp_path, [machine], "ops")
    first = run(lab, where, "deploy/full.py", "-y")
    assert first.code == 0, first.text
    assert "vllm==0.10.1+gptoss: cannot keep weights in host memory, which this card needs" in first.text
    plan = json.loads(machine.read("/home/ops/.local/share/vllm-workstation/service/plan.json"))
    assert plan["arguments"][plan["arguments"].index("--cpu-offload-params") + 1] == "experts"
    environment = machine.read("/home/ops/.local/share/vllm-workstation/service/environment")
    assert (
        "VLLM_WSL2_ENABLE_PIN_MEMORY=1" in environment
        and "VLLM_WORKSTATION_PLUGIN=embedding,repack,load,rope" in environment
    )
    assert "vllm==0.24.0" in first.text
    found = machine.ssh(
        "~/.local/share/vllm-workstation/current/bin/python -c 'import importlib.metadata as m; "
        'print([e.name for e in m.entry_points(group="vllm.general_plugins")])\'',
        user="ops",
    )
    assert "workstation" in found.stdout
    seen = json.loads(machine.read("/etc/standin-gpu.json"))
    seen["gpus"][0]["memory_free_mib"] = 700
    machine.write("/etc/standin-gpu.json", json.dumps(seen))
    second = run(lab, where, "deploy/full.py", "-y", "--json")
    assert (second.code, second.changes) == (0, 0), second.text


def test_too_small_is_refused_with_numbers(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """2.4 GiB free: the sentence why, and what can be done."""
    machine = host("ubuntu-24.04", [Gpu("NVIDIA GeForce RTX 3050 Laptop GPU", 4096, 2500, "580.65.06", "8.6")])
    ended = run(lab, inventory(lab, tmp_path, [machine], "ops"), "deploy/full.py", "-y")
    assert ended.code != 0 and "NVIDIA GeForce RTX 3050 Laptop GPU has 2.4 GiB free; gpt-oss-20b needs" in ended.text
