"""Which engine: a GPU that can, none at all, or hardware that must be mended first."""

from __future__ import annotations

import re
from typing import Literal

from packaging.version import Version

from plan import card, platform, records
from plan.evidence import Reason, Refusal
from plan.machine import Gpu, Machine
from plan.settings import Settings

Engine = Literal["cuda", "cpu"]
LEAST_CAPABILITY = Version("8.0")  # Mxfp4Config.get_min_capability in every vLLM from 0.10.1 to 0.33.0 (read)


def choose(machine: Machine, settings: Settings) -> tuple[Engine, Reason] | Refusal:
    """The engine and why, or the refusal that names the remedy."""
    if settings.engine == "cpu":
        return _cpu(machine, "engine = cpu was asked for")
    broken = broken_gpu(machine)
    if broken:
        return broken
    gpu = best_gpu(machine)
    if gpu is None:
        if settings.engine == "cuda":
            return Refusal(
                code="NO-GPU",
                message="engine = cuda, but this machine has no NVIDIA GPU.",
                remedy="Set engine = auto or cpu.",
            )
        was = records.card(machine).name
        return _gone(was) if was else _cpu(machine, "this machine has no NVIDIA GPU")
    if gpu.compute_capability is None:
        return Refusal(
            code="DRIVER-OLD",
            message=f"the driver ({gpu.driver or 'of unknown version'}) is too old to say what {gpu.name} can do.",
            remedy="Update the NVIDIA driver (in WSL: on the Windows side) and run this again.",
        )
    if not capable(gpu):
        return Refusal(
            code="GPU-OLD",
            message=f"{gpu.name} has compute capability {gpu.compute_capability}; vLLM serves gpt-oss-20b from 8.0 on.",
            remedy="Use an RTX 30 series card or newer, or set engine = cpu for a small stand-in model.",
        )
    return "cuda", Reason(text=f"{gpu.name} with driver {gpu.driver} can run gpt-oss-20b.", evidence="read")


def _gone(name: str) -> Refusal:
    """A machine that served on a GPU is not turned into one that serves something else."""
    return Refusal(
        code="GPU-GONE",
        message=f"this machine served on {name}, and no NVIDIA GPU is seen now.",
        remedy="Look at the card, its power and the driver (in WSL: wsl --shutdown, and update the driver in Windows), and run this again; "
        "or set engine = cpu for a small stand-in model.",
    )


def capable(card: Gpu) -> bool:
    """Whether vLLM can run gpt-oss-20b's MXFP4 experts on this card at all; what is no number counts as not."""
    told = re.match(r"\d+\.\d+", card.compute_capability or "")
    return told is not None and Version(told.group()) >= LEAST_CAPABILITY


def best_gpu(machine: Machine) -> Gpu | None:
    """The card that our running server holds, else the one with the most free memory (the lowest index where equal)."""
    found = [gpu for gpu in machine.gpu.devices if capable(gpu)] or list(machine.gpu.devices)
    if card.server_holds_card(machine):
        found = [gpu for gpu in found if card.is_planned_card(machine, gpu)] or found
    return max(found, key=lambda gpu: (gpu.memory_free_mib or gpu.memory_total_mib or 0, -gpu.index), default=None)


def _cpu(machine: Machine, why: str) -> tuple[Engine, Reason] | Refusal:
    if "avx2" not in machine.system.cpu_flags:
        return Refusal(
            code="CPU-OLD",
            message=f"{why}, and its processor lacks AVX2, which vLLM for CPU needs.",
            remedy="Use another machine.",
        )
    text = f"{why[0].upper()}{why[1:]}: vLLM for CPU serves a small model, which is not gpt-oss-20b."
    return "cpu", Reason(text=text, evidence="measured")


def broken_gpu(machine: Machine) -> Refusal | None:
    """NVIDIA hardware that is there but cannot be used, with the remedy; None where all is well or none is there."""
    gpu = machine.gpu
    if gpu.devices:
        return None
    if machine.wsl.version == 2 and (machine.wsl.libcuda or gpu.smi_path):
        return _wsl_broken(machine)
    hardware = gpu.pci or gpu.error
    if not hardware:
        return None
    if gpu.smi_path is None:
        return Refusal(
            code="NO-DRIVER",
            message=f"there is an NVIDIA GPU{f' ({gpu.pci[0].address})' if gpu.pci else ''} but no driver.",
            remedy="Install it (Ubuntu: sudo ubuntu-drivers install; Debian: sudo apt-get install nvidia-driver), reboot, and run this again.",
        )
    return Refusal(
        code="DRIVER-BROKEN",
        message=f"nvidia-smi sees no GPU: {gpu.error}.",
        remedy="Reboot; if it stays, reinstall the driver (Ubuntu: sudo ubuntu-drivers install), and run this again.",
    )


def _wsl_broken(machine: Machine) -> Refusal:
    drivers = platform.driver_packages(machine)
    purge = f"set remove_wsl_driver = True, or sudo apt-get purge {' '.join(drivers)}"
    inside = f"Remove the Linux driver inside WSL first: {purge}." if drivers else ""
    return Refusal(
        code="WSL-GPU",
        message=f"Windows offers a GPU to WSL, but nvidia-smi says: {machine.gpu.error or 'nothing (it is missing)'}.",
        remedy=f"{inside} In Windows: update the NVIDIA driver, then wsl --update and wsl --shutdown, and run this again.".strip(),
    )
