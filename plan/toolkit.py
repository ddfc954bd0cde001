"""The CUDA toolkit: which packages, from which source, under which key, and what stands in its way."""

from __future__ import annotations

import hashlib
import re

from pydantic import BaseModel, ConfigDict

from plan import platform
from plan.machine import Machine, Source
from plan.settings import Settings

KEYRING = "/usr/share/keyrings/cuda-archive-keyring.gpg"  # where NVIDIA's cuda-keyring package puts it too
PREFERENCES = "/etc/apt/preferences.d/vllm-workstation-no-driver"
DRIVERS = (
    "cuda cuda-drivers* cuda-runtime-* nvidia-driver* nvidia-open* nvidia-dkms-* nvidia-kernel-* nvidia-utils-* nvidia-compute-utils-* "
    "nvidia-firmware-* nvidia-settings nvidia-modprobe libnvidia-* xserver-xorg-video-nvidia* libcuda1"
)
NEWER_MINORS = 6  # suites carry different minors (ubuntu2604 starts at 13-1): the first of the same major that there is


class Toolkit(BaseModel):
    """What apt should have. `versions` are those that serve, best first."""

    model_config = ConfigDict(frozen=True)
    versions: list[str]
    source_file: str
    source_line: str
    keyring: str
    key_url: str
    fingerprint: str
    disable: list[tuple[str, int]]
    add: bool  # our own source file is needed; False where apt reads the repository already
    retired_keyrings: list[str]
    preferences: str | None


def choose(machine: Machine, settings: Settings, cuda: str | None) -> Toolkit | None:
    """The toolkit for a release built with `cuda` (`12.8`); None where none is wanted or NVIDIA has no repository."""
    wanted = cuda if settings.cuda_version == "auto" else settings.cuda_version
    suite = platform.repository(machine)
    if wanted is None or wanted == "none" or suite is None:
        return None
    major, minor = (int(part) for part in wanted.split("."))
    fixed = settings.cuda_version != "auto"
    base = f"{settings.cuda_repository.rstrip('/')}/{suite}/x86_64/"
    key = next(k for k in platform.tables()["key"] if suite in k["suites"])
    fingerprint = key["fingerprint"] if settings.cuda_key_fingerprint == "auto" else settings.cuda_key_fingerprint
    good = _good_sources(machine, base, fingerprint)
    return Toolkit(
        versions=[f"{major}.{minor + n}" for n in range(1 if fixed else NEWER_MINORS)],
        source_file=f"/etc/apt/sources.list.d/cuda-{suite}-x86_64.list",
        source_line=f"deb [signed-by={KEYRING}] {base} /",
        keyring=KEYRING,
        key_url=base + key["file"],
        fingerprint=fingerprint,
        disable=_in_the_way(machine, base, good[:1]),
        add=not good,
        retired_keyrings=_retired(machine),
        preferences=_preferences(machine, base),
    )


def _good_sources(machine: Machine, base: str, fingerprint: str) -> list[Source]:
    """Enabled sources of this repository, signed by a keyring that holds the right key."""
    return [
        source
        for source in machine.apt.cuda_sources
        if source.enabled
        and source.uri.rstrip("/") == base.rstrip("/")
        and fingerprint in machine.apt.keys.get(source.signed_by or "", [])
    ]


def source_ready(machine: Machine, toolkit: Toolkit) -> bool:
    """Whether apt reads the right repository exactly once, under the right key."""
    base = toolkit.source_line.split()[-2]
    return (
        len(_good_sources(machine, base, toolkit.fingerprint)) >= 1
        and not toolkit.disable
        and not toolkit.retired_keyrings
    )


def _in_the_way(machine: Machine, base: str, keep: list[Source]) -> list[tuple[str, int]]:
    """(file, line) of sources to disable: the same repository again, and in WSL every other CUDA repository (they carry drivers)."""
    return [
        (source.file, source.line)
        for source in machine.apt.cuda_sources
        if source.enabled and source not in keep and (source.uri.rstrip("/") == base.rstrip("/") or machine.wsl.version)
    ]


def _retired(machine: Machine) -> list[str]:
    """Keyrings that hold nothing but NVIDIA's retired key."""
    retired = {k["fingerprint"] for k in platform.tables()["key"] if k.get("retired")}
    return sorted(
        path for path, found in machine.apt.keys.items() if found and set(found) <= retired and path != KEYRING
    )


def _preferences(machine: Machine, base: str) -> str | None:
    """Keep drivers away: all of them in WSL; elsewhere those of this repository, unless the user set it up for its drivers."""
    if not machine.wsl.version and "cuda-keyring" in machine.packages.installed:
        return None
    pin = "release *" if machine.wsl.version else f"origin {_site(base)}"
    why = "in WSL the driver is Windows' own" if machine.wsl.version else "the driver is the distribution's"
    return f"# written by vllm-workstation: {why}\nPackage: {DRIVERS}\nPin: {pin}\nPin-Priority: -1\n"


def _site(url: str) -> str:
    """The host name in a URL; empty for a folder, which is apt's own name for its origin."""
    found = re.match(r"https?://(?:[^/@]*@)?([^/:]+)", url)
    return f'"{found.group(1)}"' if found else '""'


def preferences_stale(machine: Machine, toolkit: Toolkit) -> bool:
    """Whether the file that keeps drivers away is wanted and not as planned."""
    if toolkit.preferences is None:
        return False
    seen = machine.files.get(PREFERENCES)
    return seen is None or seen.sha256 != hashlib.sha256(toolkit.preferences.encode()).hexdigest()


def lost(machine: Machine, toolkit: Toolkit) -> dict[str, int]:
    """`{package: files that are gone}` of the version that is installed, by dpkg's word."""
    whole = [v for v in toolkit.versions if _package(machine, v)]
    ends = tuple(f"-{version.replace('.', '-')}{end}" for version in whole[:1] for end in ("", "-dev"))
    return {name: count for name, count in sorted(machine.toolkit.lost.items()) if name.endswith(ends)}


def _package(machine: Machine, version: str) -> bool:
    package = machine.packages.installed.get(f"cuda-toolkit-{version.replace('.', '-')}")
    return package is not None and package.state == "installed"


def installed(machine: Machine, toolkit: Toolkit) -> str | None:
    """The version that is installed whole and serves, or None."""
    for version in toolkit.versions:
        package = machine.packages.installed.get(f"cuda-toolkit-{version.replace('.', '-')}")
        on_disk = machine.toolkit.installed.get(version)
        if package and package.state == "installed" and on_disk and on_disk.nvcc:
            return version
    return None
