"""The Windows side of WSL: its .wslconfig, and which paths lie on its disks."""

from __future__ import annotations

import re

from plan.machine import Machine

Config = dict[str, str]  # `section.key`, lower case

# Windows' drives; /mnt/wsl, /mnt/data and the like are disks of Linux (wsl --mount, fstab).
DRIVE = re.compile(r"/+mnt/+[A-Za-z](/|$)")
# As WSL itself reads it (microsoft/WSL src/shared/configfile/configfile.cpp, read 2026-11-23): # ends a value outside quotes, of a
# repeated key the first counts, and a line that is neither section nor pair is passed over. `;` begins no comment.
SECTION = re.compile(r"\[([A-Za-z][A-Za-z0-9]*)\][ \t]*(#.*)?")
PAIR = re.compile(r"""([A-Za-z][A-Za-z0-9]*)[ \t]*=((?:"[^"]*"|[^"#])*)(#.*)?""")


def holds(machine: Machine, path: str) -> bool:
    """Whether a path of this machine lies on a disk of Windows, where reading is slow."""
    return bool(machine.wsl.version) and DRIVE.match(path) is not None


def config(text: str) -> Config:
    """What a .wslconfig sets."""
    found: Config = {}
    section = ""
    for line in re.split(r"[\r\n]+", text.lstrip("\ufeff")):
        header, pair = SECTION.fullmatch(line.strip(" \t")), PAIR.fullmatch(line.strip(" \t"))
        section = header[1] if header else section
        if pair:
            found.setdefault(f"{section}.{pair[1]}".lower(), pair[2].replace('"', "").strip(" \t"))
    return found


def seen(machine: Machine) -> Config | None:
    """Windows' settings on this machine; None where no .wslconfig was seen."""
    text = machine.logs.wslconfig if machine.logs else None
    return None if text is None else config(text)


def mirrored(machine: Machine) -> bool:
    """Whether WSL shares Windows' network. The setting's older section still counts."""
    told = seen(machine) or {}
    keys = ("wsl2.networkingmode", "experimental.networkingmode")
    return next((told[key] for key in keys if key in told), "").lower() == "mirrored"
