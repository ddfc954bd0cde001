"""Windows Subsystem for Linux: version, kernel and /etc/wsl.conf."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, Optional

from . import shell


def wsl_version(osrelease: str, proc_version: str, interop: bool, dxg: bool) -> int:
    """0 not WSL, 1, or 2.

    WSL 2 kernels name themselves `…-microsoft-standard-WSL2`, WSL 1 `4.4.0-NNNNN-Microsoft` (capital M); a kernel
    that the user built may say neither and is told by interop or /dev/dxg (systemd src/basic/virt.c).
    """
    text = osrelease + " " + proc_version
    if re.search(r"WSL2|microsoft-standard", text):
        return 2
    if re.search(r"^\d+\.\d+\.\d+-\d+-Microsoft", osrelease) or "Microsoft@Microsoft.com" in proc_version:
        return 1
    if "microsoft" in text.lower() or "WSL" in text:
        return 2
    return 2 if interop and dxg else 0


def parse_conf(text: str) -> Dict[str, Dict[str, str]]:
    """Sections, keys (lower case) and values of a wsl.conf; the last of a repeated key counts."""
    sections: Dict[str, Dict[str, str]] = {}
    section = ""
    for line in text.lstrip("\ufeff").splitlines():
        line = line.strip()
        header = re.fullmatch(r"\[\s*([^\]]*?)\s*\](\s*[#;].*)?", line)
        if header:
            section = header.group(1).lower()
            sections.setdefault(section, {})
            continue
        key, separator, value = line.partition("=")
        if separator and not line.startswith(("#", ";")):
            value = re.split(r"\s+[#;]", value.strip())[0]
            sections.setdefault(section, {})[key.strip().lower()] = value.strip().strip("\"'")
    return sections


def kernel(osrelease: str) -> Optional[str]:
    """The leading `x.y.z[.w]` of a kernel release."""
    match = re.match(r"\d+(\.\d+)+", osrelease)
    return match.group(0) if match else None


def observe(query: Dict[str, Any]) -> Dict[str, Any]:
    """Everything of this subject; `version` is 0 on a machine that is not WSL."""
    osrelease = (shell.read("/proc/sys/kernel/osrelease") or "").strip()
    interop = any(os.path.exists("/proc/sys/fs/binfmt_misc/" + name) for name in ("WSLInterop", "WSLInterop-late"))
    version = wsl_version(osrelease, shell.read("/proc/version") or "", interop, os.path.exists("/dev/dxg"))
    conf = shell.read("/etc/wsl.conf") if version else None
    return {
        "version": version,
        "kernel": kernel(osrelease) if version else None,
        "dxg": os.path.exists("/dev/dxg"),
        "conf": conf,
        "systemd_configured": (parse_conf(conf or "").get("boot", {}).get("systemd", "").lower() == "true")
        if version
        else None,
        "libcuda": os.path.exists("/usr/lib/wsl/lib/libcuda.so.1"),
    }
