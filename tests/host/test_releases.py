"""The ordered pin's story both ways, and a plain vLLM in our venv."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host.conftest import MakeHost
from tests.host.lab import Gpu, Lab
from tests.host.product import BIG, chat, inventory, run

pytestmark = pytest.mark.host

LINE = "vllm==0.32.0 on Python 3.11 (vllm==0.10.1+gptoss does not resolve: there is no version of torch==2.9.0.dev20250804+cu128"


def test_nightly_gone(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """Without its nightly the ordered pin does not resolve: the maintained release serves, and one line says why."""
    lab.drop_nightly()
    lab.rule(lab.python_index, "overlay")
    try:
        machine = host("ubuntu-24.04", [BIG])
        where = inventory(lab, tmp_path, [machine], "ops")
        first = run(lab, where, "deploy/full.py", "-y")
        assert first.code == 0, first.text
        assert LINE in first.text
        assert "V13.0" in machine.ssh("bash -lc 'nvcc --version'", user="ops").stdout
        assert "Paris" in chat(machine)["choices"][0]["message"]["content"]
        second = run(lab, where, "deploy/full.py", "-y", "--json")
        assert (second.code, second.changes) == (0, 0), second.text
    finally:
        lab.restore_nightly()


def test_old_driver_gets_the_last_cuda_12_release(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """Driver 570 cannot run CUDA 13: 0.19.1, when the pin is gone. Asked for by name, gptoss is a clear error and nothing is built."""
    lab.drop_nightly()
    lab.rule(lab.python_index, "overlay")
    try:
        machine = host("ubuntu-22.04", [Gpu("NVIDIA GeForce RTX 3090", 24576, 24100, "570.133.07", "8.6")])
        strict = run(lab, inventory(lab, tmp_path, [machine], "ops", vllm_release="gptoss"), "deploy/full.py", "-y")
        assert strict.code == 1
        assert "no vLLM release could be resolved (vllm==0.10.1+gptoss does not resolve" in strict.text
        assert (
            machine.ssh("ls ~/.local/share/vllm-workstation/releases 2>/dev/null | wc -l", user="ops").stdout.strip()
            == "0"
        )
        first = run(lab, inventory(lab, tmp_path, [machine], "ops"), "deploy/full.py", "-y")
        assert first.code == 0, first.text
        assert "vllm==0.19.1 on Python 3.11" in first.text
        assert "vllm==0.32.0: needs driver 580 or newer, here is 570.133.07" in first.text
    finally:
        lab.restore_nightly()


def test_plain_vllm_is_replaced(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """Somebody's `pip install vllm` in our venv is undone by the next run, and the run after that changes nothing."""
    lab.rule(lab.python_index, "overlay")
    machine = host("wsl-24.04", [BIG])
    where = inventory(lab, tmp_path, [machine], "ops")
    assert run(lab, where, "deploy/full.py", "-y").code == 0
    root = "/home/ops/.local/share/vllm-workstation"
    machine.ssh(
        f"SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt {root}/tools/bin/uv pip install -q --python {root}/current/bin/python vllm==0.19.1",
        user="ops",
    )
    again = run(lab, where, "deploy/full.py", "-y", "--json")
    assert again.code == 0 and again.changes > 0, again.text
    assert machine.ssh(f"{root}/current/bin/vllm --version", user="ops").stdout.split()[-1] == "0.10.1+gptoss"
    assert run(lab, where, "deploy/full.py", "-y", "--json").changes == 0
