"""Machines on which nothing is done, and whether the sentence says what to do."""

from __future__ import annotations

import pytest

from plan import plan
from plan.machine import Machine
from plan.settings import Settings
from tests.unit.machines import (
    GALLERY,
    H200,
    RTX_2080TI,
    RTX_3090,
    RTX_4060_8,
    RTX_4070_12,
    RTX_4090,
    card,
    changed,
    machine,
    planned,
)

BLOCKED = "Failed to initialize NVML: GPU access blocked by the operating system"
PCI = [{"address": "0000:01:00.0", "device": "0x2684", "driver": None}]
BROKEN_WSL = changed(machine(wsl=2), "wsl", libcuda=True)
# (machine, settings, code, words of the sentence)
REFUSED: dict[str, tuple[Machine, dict[str, object], str, list[str]]] = {
    "WSL 1": (machine(wsl=1), {}, "WSL1", ["wsl --set-version"]),
    "Ubuntu 20.04": (
        machine(RTX_4090, os=("ubuntu", "20.04")),
        {},
        "OS",
        ["ubuntu 20.04", "Ubuntu 22.04, 24.04", "Debian 12", "wsl --install Ubuntu-24.04"],
    ),
    "Fedora": (machine(RTX_4090, os=("fedora", "41")), {}, "OS", ["fedora 41"]),
    "no os-release": (changed(machine(RTX_4090), "system", os={}), {}, "OS", ["this system"]),
    "ARM": (changed(machine(RTX_4090), "system", arch="aarch64"), {}, "ARCH", ["aarch64", "x86_64"]),
    "sudo asks": (
        changed(machine(RTX_4090), "system", sudo={"present": True}),
        {},
        "SUDO",
        ["--use-sudo-password", "ops ALL=(ALL) NOPASSWD:ALL", "/etc/sudoers.d/ops"],
    ),
    "no sudo": (changed(machine(RTX_4090), "system", sudo={}), {}, "SUDO", ["Run as root", "apt-get install sudo"]),
    "probe failed": (
        machine(RTX_4090).model_copy(update={"errors": {"service": "OSError: no"}}),
        {},
        "PROBE",
        ["service: OSError: no", "deploy/facts.py"],
    ),
    "root on Windows": (
        machine(RTX_4090, wsl=2),
        {"root": "/mnt/c/vllm"},
        "WINDOWS-DISK",
        ["/mnt/c/vllm", "~/.local/share/vllm-workstation"],
    ),
    "Turing": (machine(RTX_2080TI), {}, "GPU-OLD", ["RTX 2080 Ti", "7.5", "8.0", "RTX 30", "engine = cpu"]),
    "capability unknown": (machine(card(capability=None)), {}, "DRIVER-OLD", ["too old", "Update the NVIDIA driver"]),
    "no GPU, cuda asked": (machine(), {"engine": "cuda"}, "NO-GPU", ["engine = auto"]),
    "no driver": (
        changed(machine(), "gpu", pci=PCI),
        {},
        "NO-DRIVER",
        ["0000:01:00.0", "ubuntu-drivers install", "reboot"],
    ),
    "driver broken": (
        changed(machine(), "gpu", pci=PCI, smi_path="/usr/bin/nvidia-smi", error=BLOCKED),
        {},
        "DRIVER-BROKEN",
        [BLOCKED, "Reboot"],
    ),
    "blocked in WSL": (
        changed(BROKEN_WSL, "gpu", smi_path="/usr/lib/wsl/lib/nvidia-smi", error=BLOCKED),
        {},
        "WSL-GPU",
        [BLOCKED, "wsl --update", "wsl --shutdown"],
    ),
    "no nvidia-smi in WSL": (BROKEN_WSL, {}, "WSL-GPU", ["it is missing", "Windows"]),
    "card full": (
        machine({**RTX_4090, "memory_free_mib": 3000}),
        {},
        "VRAM",
        ["RTX 4090", "2.9 GiB", "needs", "nvidia-smi"],
    ),
    "too little memory to pin": (
        machine(RTX_4060_8, ram_gib=4),
        {},
        "RAM",
        ["4.0 GiB", "2.0 GiB", ".wslconfig", "must be pinned"],
    ),
    "too little was pinned": (
        changed(
            machine(RTX_4070_12, wsl=2, ram_gib=32),
            "releases",
            pinned={"mib": 512, "asked_mib": 4096, "total_mib": 32768},
        ),
        {},
        "RAM",
        ["must be pinned", "0.5 GiB can be pinned (tried)", "pinned.json"],
    ),
    "more of the card than is free": (
        machine(RTX_4070_12),
        {"gpu_memory_utilization": 0.98},
        "VRAM",
        ["gpu_memory_utilization = 0.98", "Possible here: gpu_memory_utilization = 0.9"],
    ),
    "an 8-bit cache on Ampere": (machine(RTX_3090), {"kv_cache_dtype": "fp8"}, "KV-DTYPE", ["8.9", "RTX 3090 has 8.6"]),
    "driver too old": (
        machine({**RTX_3090, "driver": "470.256.02"}),
        {},
        "NO-RELEASE",
        ["470.256.02", "525.60.13", "Update the NVIDIA driver"],
    ),
    "offload with an old driver": (
        machine({**RTX_4070_12, "driver": "570.133.20"}),
        {"vllm_release": "0.19.1"},
        "VRAM",
        ["11.6 GiB free", "vLLM 0.19.1 cannot keep a part in host memory"],
    ),
    "old processor": (changed(machine(), "system", cpu_flags=["avx"]), {}, "CPU-OLD", ["AVX2"]),
    "disk full": (machine(RTX_4090, disk_gib=10), {}, "DISK", ["10.0 GiB free", "set root"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    seen, wishes, code, words = REFUSED[name]
    made = plan.make(seen, Settings.model_validate(wishes))
    assert [refusal.code for refusal in made.refusals] == [code]
    sentence = str(made.refusals[0])
    assert [word for word in words if word not in sentence] == []
    assert made.serve is None and made.files == []


def test_a_driver_package_inside_wsl_is_named_in_the_remedy() -> None:
    seen = changed(BROKEN_WSL, "packages", installed={"nvidia-driver-535": {"version": "1", "state": "installed"}})
    assert "apt-get purge nvidia-driver-535." in plan.make(seen, Settings()).refusals[0].remedy


def test_a_sudo_password_given_lifts_that_refusal_only() -> None:
    asks = changed(machine(RTX_4090), "system", sudo={"present": True})
    assert plan.make(asks, Settings(), sudo_password=True).refusals == []
    arm = changed(asks, "system", arch="aarch64")
    assert [r.code for r in plan.make(arm, Settings()).refusals] == ["ARCH", "SUDO"]
    assert [r.code for r in plan.make(arm, Settings(), sudo_password=True).refusals] == ["ARCH"]


@pytest.mark.parametrize("name", ["blocked in WSL", "no driver", "Turing", "card full"])
def test_engine_cpu_works_where_the_card_does_not(name: str) -> None:
    made = plan.make(REFUSED[name][0], Settings(engine="cpu"))
    assert (made.refusals, made.engine) == ([], "cpu")


@pytest.mark.parametrize("name", GALLERY)
def test_the_gallery_is_not_refused(name: str) -> None:
    assert plan.make(GALLERY[name], Settings()).refusals == []


def test_a_card_whose_total_memory_is_unknown_is_still_answered() -> None:
    seen = machine(card("NVIDIA GB10", total_mib=None, free_mib=100_000, capability="12.1"))
    made = planned(seen)
    assert made.refusals or made.serve is not None
    assert (
        plan.make(machine({**H200, "memory_total_mib": None, "memory_free_mib": None}), Settings()).refusals[0].code
        == "VRAM"
    )
