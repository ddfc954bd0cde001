"""What kind of machine this is, and whether anything can be done on it."""

from __future__ import annotations

import re
from typing import Any, Literal

from plan.evidence import Refusal
from plan.machine import Machine
from plan.toml import table

Kind = Literal["wsl", "native"]
Supervisor = Literal["systemd", "wsl-restart", "supervisord"]


def tables() -> dict[str, Any]:
    """plan/platforms.toml."""
    return table("platforms")


def kind(machine: Machine) -> Kind:
    """WSL or native Linux."""
    return "wsl" if machine.wsl.version else "native"


def supervisor(machine: Machine) -> Supervisor:
    """Who keeps the server running: systemd; systemd after WSL's next start; supervisord where there never is one."""
    if machine.system.systemd:
        return "systemd"
    return "wsl-restart" if machine.wsl.version == 2 else "supervisord"


def repository(machine: Machine) -> str | None:
    """Directory of NVIDIA's repository for this system (`wsl-ubuntu`, `ubuntu2404`), or None."""
    for platform in tables()["platform"]:
        if platform["id"] == machine.system.os.id:
            found: str | None = platform["wsl" if machine.wsl.version else "native"].get(machine.system.os.version_id)
            return found
    return None


def is_driver_package(name: str) -> bool:
    """Whether a Debian package is a Linux NVIDIA driver or pulls one in."""
    table = tables()["driver_packages"]
    if any(re.match(pattern, name) for pattern in table["except"]):
        return False
    return any(re.match(pattern, name) for pattern in table["patterns"])


def driver_packages(machine: Machine) -> list[str]:
    """Driver packages that are installed, sorted."""
    there = machine.packages.installed.items()
    return sorted(name for name, package in there if is_driver_package(name) and package.state != "config-files")


def refusals(machine: Machine) -> list[Refusal]:
    """Why this machine cannot be set up at all."""
    return [r for r in (_wsl1(machine), _unsupported(machine), _arch(machine), sudo(machine), _unseen(machine)) if r]


def _unseen(machine: Machine) -> Refusal | None:
    failed = [name for name in ("packages", "service", "gpu", "wsl") if name in machine.errors]
    if not failed:
        return None
    words = "; ".join(f"{name}: {machine.errors[name]}" for name in failed)
    return Refusal(
        code="PROBE",
        message=f"the machine could not be looked at ({words}).",
        remedy="Report this with the output of deploy/facts.py.",
    )


def _wsl1(machine: Machine) -> Refusal | None:
    if machine.wsl.version != 1:
        return None
    return Refusal(
        code="WSL1",
        message="this is WSL 1, which has no GPU.",
        remedy="In Windows PowerShell: wsl --list --verbose, then wsl --set-version <distribution> 2, and run this again.",
    )


def _unsupported(machine: Machine) -> Refusal | None:
    os = machine.system.os
    known = [f"{p['id'].capitalize()} {', '.join(p['versions'])}" for p in tables()["platform"]]
    if any(p["id"] == os.id and os.version_id in p["versions"] for p in tables()["platform"]):
        return None
    return Refusal(
        code="OS",
        message=f"{os.name or 'this system'} is not supported: {' and '.join(known)} are.",
        remedy="Install one of them (in WSL: wsl --install Ubuntu-24.04) and run this again.",
    )


def _arch(machine: Machine) -> Refusal | None:
    if machine.system.arch == "x86_64":
        return None
    return Refusal(
        code="ARCH",
        message=f"the processor is {machine.system.arch}; only x86_64 is supported.",
        remedy="Use another machine.",
    )


def sudo(machine: Machine) -> Refusal | None:
    """Why packages cannot be installed by this login; None where they can."""
    may, user = machine.system.sudo, machine.system.user.name
    if may.root or may.passwordless:
        return None
    if may.present:
        return Refusal(
            code="SUDO",
            message=f"user {user} may not use sudo without a password here, and packages must be installed.",
            remedy="Run with --use-sudo-password, or let an admin allow it: "
            f"echo '{user} ALL=(ALL) NOPASSWD:ALL' | sudo tee /etc/sudoers.d/{user}",
        )
    return Refusal(
        code="SUDO",
        message=f"user {user} is not root and there is no sudo.",
        remedy="Run as root, or install sudo as root: apt-get install sudo.",
    )
