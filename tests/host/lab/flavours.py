"""What kinds of machine a host can pass for.

The userland is Debian 12's throughout; what differs is what programs look at to tell where they
run: os-release, the kernel's name, WSL's marks, PID 1, the marks of a container.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Pid1 = Literal["systemd", "wslconf", "plain"]
"""systemd; what /etc/wsl.conf says (read at each boot, as WSL does); or a small reaping init."""


@dataclass(frozen=True)
class Flavour:
    """Marks of one kind of machine."""

    name: str
    system: str
    version: str
    pid1: Pid1 = "systemd"
    wsl: Literal[0, 1, 2] = 0
    wsl_systemd: bool = False
    container: bool = False

    @property
    def manager(self) -> str:
        """What keeps it, if a container: WSL's PID 1 stays in nspawn's terms, osrelease decides."""
        return "podman" if self.container else "systemd-nspawn" if self.wsl else ""

    @property
    def kernel(self) -> str:
        """What `uname -r` says; empty for the real one."""
        known = {0: "", 1: "4.4.0-19041-Microsoft", 2: "5.15.167.4-microsoft-standard-WSL2"}
        return known[self.wsl]

    @property
    def proc_version(self) -> str:
        """What /proc/version says under WSL."""
        if self.wsl == 1:
            tail = "(gcc version 5.4.0 (GCC) ) #1237-Microsoft Sat Sep 11 14:32:00 PST 2021"
            return f"Linux version {self.kernel} (Microsoft@Microsoft.com) {tail}\n"
        tail = "(gcc (GCC) 11.2.0, GNU ld (GNU Binutils) 2.37) #1 SMP Tue Nov 5 00:21:55 UTC 2024"
        return f"Linux version {self.kernel} (root@f9c826d3017f) {tail}\n"


FLAVOURS = {
    flavour.name: flavour
    for flavour in (
        Flavour("wsl-24.04", "ubuntu", "24.04", "wslconf", wsl=2, wsl_systemd=True),
        Flavour("wsl-22.04", "ubuntu", "22.04", "wslconf", wsl=2, wsl_systemd=True),
        Flavour("wsl-24.04-nosystemd", "ubuntu", "24.04", "wslconf", wsl=2),
        Flavour("wsl1", "ubuntu", "24.04", "plain", wsl=1),
        Flavour("ubuntu-24.04", "ubuntu", "24.04"),
        Flavour("ubuntu-22.04", "ubuntu", "22.04"),
        Flavour("debian-12", "debian", "12"),
        Flavour("container", "debian", "12", "plain", container=True),
        Flavour("fedora", "fedora", "42"),
    )
}

_UBUNTU = {
    "24.04": ("24.04.3 LTS", "Noble Numbat", "noble"),
    "22.04": ("22.04.5 LTS", "Jammy Jellyfish", "jammy"),
}


def os_release(flavour: Flavour) -> str:
    """The text of /etc/os-release; empty: keep Debian's own."""
    if flavour.system == "fedora":
        return (
            'NAME="Fedora Linux"\nVERSION="42 (Server Edition)"\nID=fedora\nVERSION_ID=42\n'
            'PLATFORM_ID="platform:f42"\nPRETTY_NAME="Fedora Linux 42 (Server Edition)"\n'
        )
    if flavour.system != "ubuntu":
        return ""
    number, animal, code = _UBUNTU[flavour.version]
    return (
        f'PRETTY_NAME="Ubuntu {number}"\nNAME="Ubuntu"\nVERSION_ID="{flavour.version}"\n'
        f'VERSION="{number} ({animal})"\nVERSION_CODENAME={code}\nID=ubuntu\nID_LIKE=debian\n'
        f"UBUNTU_CODENAME={code}\n"
    )


def lsb_release(flavour: Flavour) -> str:
    """The text of /etc/lsb-release; empty: none."""
    if flavour.system != "ubuntu":
        return ""
    number, _, code = _UBUNTU[flavour.version]
    return (
        f"DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE={flavour.version}\nDISTRIB_CODENAME={code}\n"
        f'DISTRIB_DESCRIPTION="Ubuntu {number}"\n'
    )
