"""Debian packages that matter here, read from dpkg's own database (no command started)."""

from __future__ import annotations

import re
from typing import Any, Dict, List

from . import shell

# Everything that a plan may ask for or complain about; the rest would only make the answer long.
WANTED = re.compile(
    r"^(python3([.]\d+)?(-dev|-venv|-minimal)?|gcc(-\d+)?|g\+\+|build-essential|libnuma1|ca-certificates|curl|sudo|dbus-user-session|libpam-systemd|systemd-sysv"
    r"|cuda.*|libcuda.*|nvidia.*|libnvidia.*|xserver-xorg-video-nvidia.*|libcudnn.*|docker.*|podman)$"
)


def parse_status(text: str) -> Dict[str, Dict[str, str]]:
    """`{name: {version, state}}` of wanted packages in a dpkg status file; `state` is dpkg's third word (`installed`)."""
    found: Dict[str, Dict[str, str]] = {}
    for block in text.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Status|Version): (.*)$", block, re.M))
        name = fields.get("Package", "")
        state = fields.get("Status", "").split(" ")[-1]
        if WANTED.match(name) and state not in ("", "not-installed"):
            found[name] = {"version": fields.get("Version", ""), "state": state}
    return found


def halfway(text: str) -> List[str]:
    """Packages that dpkg left unpacked, half-installed or half-configured."""
    found = []
    for match in re.finditer(r"^Status: \S+ (\S+) (unpacked|half-\w+|triggers-pending)$", text, re.M):
        start = text.rfind("\n\n", 0, match.start()) + 1
        name = re.search(r"^Package: (.*)$", text[start : match.start()], re.M)
        found.append(name.group(1) if name else "?")
    return [name for name in found if WANTED.match(name)]  # others are the user's


def observe(query: Dict[str, Any]) -> Dict[str, Any]:
    """`dpkg` is False where this is no Debian; `interrupted`: dpkg was cut short, `halfway` names what it left."""
    status = shell.read("/var/lib/dpkg/status", 64 << 20)
    return {
        "dpkg": status is not None,
        "interrupted": bool(shell.listing("/var/lib/dpkg/updates")) or bool(halfway(status or "")),
        "halfway": halfway(status or "")[:20],
        "installed": parse_status(status or ""),
    }
