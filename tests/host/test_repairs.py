"""Sources, keys, exports, drivers and weights that a user or time has spoiled."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host.conftest import MakeHost
from tests.host.lab import Lab
from tests.host.product import BIG, chat, inventory, run

pytestmark = pytest.mark.host
ROOT = "/home/ops/.local/share/vllm-workstation"
REPOSITORY = "https://developer.download.nvidia.com/compute/cuda/repos/wsl-ubuntu/x86_64/"


def test_old_sources_keys_exports_and_driver(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """A machine set up by an old guide: duplicate source, retired key, a driver inside WSL, a hand-written export."""
    machine = host("wsl-24.04", [BIG])
    machine.write("/etc/apt/sources.list.d/cuda.list", f"# by hand\ndeb {REPOSITORY} /\n")
    machine.write(
        "/etc/apt/sources.list.d/cuda-ubuntu.sources",
        "Types: deb\nURIs: https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2404/x86_64/\nSuites: /\n",
    )
    machine.put(lab.cuda_old_key, "/etc/apt/trusted.gpg.d/7fa2af80.gpg")
    machine.ssh("printf 'export PATH=/usr/local/cuda-11.8/bin:$PATH\\n' >>/home/ops/.bashrc")
    bashrc = machine.read("/home/ops/.bashrc")
    machine.ssh(
        "mkdir -p /tmp/d/DEBIAN && printf 'Package: libnvidia-compute-535\\nVersion: 535.1\\nArchitecture: amd64\\nMaintainer: x <x@x>\\n"
        "Description: stand-in\\n' >/tmp/d/DEBIAN/control && dpkg-deb -b /tmp/d /tmp/d.deb >/dev/null && dpkg -i /tmp/d.deb"
    )
    first = run(lab, inventory(lab, tmp_path, [machine], "ops"), "deploy/full.py", "-y")
    assert first.code == 0, first.text
    assert "a Linux NVIDIA driver is installed inside WSL (libnvidia-compute-535)" in first.text
    assert "/home/ops/.bashrc line" in first.text and "cuda-11.8" in first.text
    assert machine.read("/home/ops/.bashrc") == bashrc
    assert (
        machine.read("/etc/apt/sources.list.d/cuda.list")
        == f"# by hand\n# disabled by vllm-workstation: deb {REPOSITORY} /\n"
    )
    assert "Enabled: no" in machine.read("/etc/apt/sources.list.d/cuda-ubuntu.sources")
    update = machine.ssh("apt-get update 2>&1").stdout
    assert "configured multiple times" not in update and "Conflicting" not in update
    where = inventory(lab, tmp_path, [machine], "ops", remove_wsl_driver=True)
    assert run(lab, where, "deploy/full.py", "-y").code == 0
    assert machine.ssh("dpkg -l libnvidia-compute-535 2>/dev/null | grep -c ^ii || true").stdout.strip() == "0"
    assert run(lab, where, "deploy/full.py", "-y", "--json").changes == 0


def test_wrong_key_is_refused(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """A repository signed by another key than the pinned one: refused by name, nothing of it installed."""
    machine = host("ubuntu-24.04", [BIG])
    where = inventory(lab, tmp_path, [machine], "ops", cuda_key_fingerprint="auto")
    ended = run(lab, where, "deploy/full.py", "-y")
    assert ended.code != 0 and "not the pinned EB693B3035CD5710E231E123A4B469963BF863CC" in ended.text
    assert not machine.exists("/usr/share/keyrings/cuda-archive-keyring.gpg")
    assert not machine.exists("/etc/apt/sources.list.d/cuda-ubuntu2404-x86_64.list")


def test_exports_go_when_unwanted(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """`exports = False` takes away exactly what was added."""
    machine = host("ubuntu-24.04", [BIG])
    before = machine.read("/etc/bash.bashrc")
    assert run(lab, inventory(lab, tmp_path, [machine], "ops"), "deploy/full.py", "-y").code == 0
    assert machine.read("/etc/bash.bashrc") != before
    where = inventory(lab, tmp_path, [machine], "ops", exports=False)
    assert run(lab, where, "deploy/full.py", "-y").code == 0
    assert machine.read("/etc/bash.bashrc") == before
    assert not machine.exists("/etc/profile.d/vllm-workstation-cuda.sh")
    assert run(lab, where, "deploy/full.py", "-y", "--json").changes == 0


def test_weights_resume_and_only_right_ones_serve(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """A cut download goes on where it stopped; a truncated shard is fetched again; copies in original/ and metal/ never come."""
    shard = "model-00001-of-00002.safetensors"
    lab.hub.cut(shard, after=15_000_000, times=1)
    since = max((request.time for request in lab.requests()), default=0.0)
    machine = host("wsl-24.04", [BIG])
    where = inventory(lab, tmp_path, [machine], "ops")
    first = run(lab, where, "deploy/full.py", "-y")
    assert first.code == 0, first.text
    folder = machine.ssh(f"ls -d {ROOT}/models/*").stdout.strip()
    names = machine.ssh(f"ls {folder}").stdout.split()
    assert shard in names and "original" not in names and "metal" not in names and "README.md" not in names
    asked = [
        r for r in lab.requests(since=since) if shard in r.path and r.client == machine.address and r.method == "GET"
    ]
    assert [r.status for r in asked] == [200, 206]
    assert asked[1].size < 24_000_000
    machine.ssh(f"truncate -s 1000 {folder}/{shard}")
    again = run(lab, where, "deploy/full.py", "-y", "--json")
    assert again.code == 0 and again.changes > 0, again.text
    assert run(lab, where, "deploy/full.py", "-y", "--json").changes == 0


def test_pinned_digests_refuse_other_bytes(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """At the pinned revision a mirror with other bytes is refused by name and nothing of it is kept."""
    machine = host("wsl-24.04", [BIG])
    where = inventory(lab, tmp_path, [machine], "ops", model_revision="6cee5e81ee83917806bbde320786a8fb61efebee")
    ended = run(lab, where, "deploy/full.py", "-y")
    assert ended.code != 0
    assert "is not the file that was published" in ended.text or "could not be had" in ended.text


def test_users_drop_in_survives(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """A drop-in is the user's: it takes effect and no run touches it."""
    machine = host("wsl-24.04", [BIG])
    where = inventory(lab, tmp_path, [machine], "ops")
    assert run(lab, where, "deploy/full.py", "-y").code == 0
    drop_in = "/home/ops/.config/systemd/user/vllm-workstation.service.d/mine.conf"
    machine.ssh(f"mkdir -p $(dirname {drop_in}) && printf '[Service]\\nEnvironment=MINE=1\\n' >{drop_in}", user="ops")
    assert run(lab, where, "deploy/full.py", "-y").code == 0
    assert "MINE=1" in machine.read(drop_in)
    pid = machine.ssh("pgrep -u ops -f 'vllm serve' | head -1").stdout.strip()
    assert "MINE=1" in machine.ssh(f"tr '\\0' '\\n' </proc/{pid}/environ").stdout
    assert "Paris" in chat(machine)["choices"][0]["message"]["content"]


def test_a_lost_key_means_a_new_one_that_works(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """An emptied key file: a new key is made, the server is restarted under it, and the run after that changes nothing."""
    machine = host("wsl-24.04", [BIG])
    where = inventory(lab, tmp_path, [machine], "ops")
    assert run(lab, where, "deploy/full.py", "-y").code == 0
    machine.ssh(f": > {ROOT}/service/api-key", user="ops")
    assert run(lab, where, "deploy/full.py", "-y").code == 0
    assert "Paris" in chat(machine)["choices"][0]["message"]["content"]
    assert run(lab, where, "deploy/full.py", "-y", "--json").changes == 0
