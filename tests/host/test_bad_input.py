"""What cannot work ends with one clear sentence and what to do; nothing half-done, other hosts untouched by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.host.conftest import MakeHost
from tests.host.lab import Gpu, GpuChoice, Lab
from tests.host.product import BIG, Run, chat, inventory, run

pytestmark = pytest.mark.host

ROOT = "/home/ops/.local/share/vllm-workstation"
SETTINGS = [
    ({"max_modle_len": 4096}, "unknown setting max_modle_len = 4096: did you mean max_model_len?"),
    ({"cuda_version": 12.1}, "setting cuda_version = 12.1 cannot be used: allowed is auto, none, or a quoted version"),
    ({"port": "eight"}, "setting port = 'eight' cannot be used: allowed is a whole number from 1024 to 65535"),
    (
        {"gpu_memory_utilization": 1.2},
        "gpu_memory_utilization = 1.2 cannot be used: allowed is auto or a number from 0.1 to 1.0",
    ),
]
MACHINES = [
    pytest.param("wsl1", None, "this is WSL 1, which has no GPU. In Windows PowerShell: wsl --list", id="wsl1"),
    pytest.param("fedora", [BIG], "is not supported: Ubuntu 22.04, 24.04, 26.04 and Debian 12, 13 are.", id="fedora"),
    pytest.param("ubuntu-24.04", "no-driver", "there is an NVIDIA GPU", id="no-driver"),
    pytest.param(
        "wsl-24.04",
        [],
        "GPU access blocked by the operating system. In Windows: update the NVIDIA driver",
        id="blocked",
    ),
    pytest.param(
        "ubuntu-22.04",
        [Gpu("NVIDIA GeForce RTX 2080", 8192, 7900, "580.65.06", "7.5")],
        "has compute capability 7.5",
        id="turing",
    ),
]


@pytest.mark.parametrize(("settings", "sentence"), SETTINGS)
def test_bad_setting_touches_nothing(
    lab: Lab, host: MakeHost, tmp_path: Path, settings: dict[str, Any], sentence: str
) -> None:
    """The run ends before anything is sent that could change the machine."""
    machine = host("ubuntu-24.04", [BIG])
    before = set(machine.changed_files())
    ended = run(lab, inventory(lab, tmp_path, [machine], "ops", **settings), "deploy/full.py", "-y")
    assert ended.code != 0
    assert sentence in ended.text and "Traceback" not in ended.text
    assert set(machine.changed_files()) == before


@pytest.mark.parametrize(("flavour", "gpu", "sentence"), MACHINES)
def test_machine_that_cannot(
    lab: Lab, host: MakeHost, tmp_path: Path, flavour: str, gpu: GpuChoice, sentence: str
) -> None:
    """Refused with the reason and the remedy, before anything is written."""
    machine = host(flavour, gpu)
    ended = run(lab, inventory(lab, tmp_path, [machine], "ops"), "deploy/full.py", "-y")
    assert ended.code != 0 and sentence in ended.text and "Traceback" not in ended.text, ended.text
    assert not machine.exists(ROOT)


def test_user_without_sudo(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """Named, with the way out, in both modes."""
    machine = host("ubuntu-24.04", [BIG])
    ended = run(lab, inventory(lab, tmp_path, [machine], "nosudo"), "deploy/full.py", "-y")
    assert ended.code != 0 and "user nosudo may not use sudo without a password" in ended.text
    assert "--use-sudo-password" in ended.text


def test_disk_too_small(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """Said with numbers before a byte is downloaded."""
    machine = host("ubuntu-24.04", [BIG])
    machine.ssh("mkdir /small && mount -t tmpfs -o size=2G tmpfs /small && chown ops /small")
    since = max((request.time for request in lab.requests()), default=0.0)
    ended = run(lab, inventory(lab, tmp_path, [machine], "ops", root="/small/vllm"), "deploy/full.py", "-y")
    assert ended.code != 0 and "/small/vllm has 2.0 GiB free, and" in ended.text and "GiB are needed" in ended.text
    assert [request for request in lab.requests(since=since) if request.client == machine.address] == []


@pytest.mark.parametrize("rule", ["status:503", "hang", "drop"])
def test_index_down_while_serving(lab: Lab, host: MakeHost, tmp_path: Path, rule: str) -> None:
    """All Python indexes away while another release is asked for: one sentence, and the old server goes on serving."""
    machine = host("wsl-24.04", [BIG])
    assert run(lab, inventory(lab, tmp_path, [machine], "ops"), "deploy/full.py", "-y").code == 0
    with lab.rules({"wheels.vllm.ai": rule, "download.pytorch.org": rule, lab.python_index: rule}):
        ended = run(lab, inventory(lab, tmp_path, [machine], "ops", vllm_release="0.32.0"), "deploy/full.py", "-y")
    assert ended.code != 0 and "no vLLM release could be resolved (vllm==0.32.0" in ended.text, ended.text
    assert "what served before still does" in ended.text
    assert "Paris" in chat(machine)["choices"][0]["message"]["content"]


def test_port_taken(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """Somebody else's process on the port is named and left alone."""
    machine = host("wsl-24.04", [BIG])
    machine.ssh("setsid python3 -m http.server 8000 >/dev/null 2>&1 </dev/null &", user="ops")
    ended = run(lab, inventory(lab, tmp_path, [machine], "ops"), "deploy/full.py", "-y")
    assert ended.code != 0 and "port 8000 is taken by process" in ended.text and "http.server" in ended.text
    assert machine.ssh("pgrep -f '[h]ttp.server'").stdout.strip()


def test_failures_stay_with_their_host(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """One refused, one unreachable, one fine: the fine one serves, and the end lists all three."""
    good, bad, gone = host("wsl-24.04", [BIG]), host("wsl1", None), host("debian-12", None)
    where = inventory(lab, tmp_path, [good, bad, gone], "ops")
    gone.stop()
    ended: Run = run(lab, where, "deploy/full.py", "-y")
    table = ended.text[ended.text.rindex("Disconnecting") :]
    assert ended.code != 0
    assert f"{good.name}  changed      serving openai/gpt-oss-20b" in table, ended.text
    assert f"{bad.name}  FAILED       Check the machine: this is WSL 1" in table, ended.text
    assert f"{gone.name}  UNREACHABLE  Could not connect" in table, ended.text
