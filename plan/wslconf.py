"""systemd in WSL: /etc/wsl.conf with [boot] systemd=true and everything else as it was."""

from __future__ import annotations

import re

PATH = "/etc/wsl.conf"
MARK = "# systemd=true: set by vllm-workstation"
COMMANDS = "wsl --shutdown\nwsl"


def with_systemd(text: str | None) -> str:
    """The file with systemd switched on. Other lines stay byte for byte; a second call changes nothing."""
    lines = (text or "").splitlines()
    section, boot_end = "", None
    for number, line in enumerate(lines):
        header = re.fullmatch(r"\s*\[\s*(.*?)\s*\]\s*([#;].*)?", line.lstrip("\ufeff"))
        if header:
            section = header.group(1).lower()
        if section == "boot" and line.strip():
            boot_end = number
        if section == "boot" and re.match(r"\s*systemd\s*=", line, re.I):
            if re.match(r"\s*systemd\s*=\s*[\"']?true\b", line, re.I):
                return text or ""
            lines[number : number + 1] = [MARK, "systemd=true"]
            return "\n".join(lines) + "\n"
    if boot_end is not None:
        lines[boot_end + 1 : boot_end + 1] = [MARK, "systemd=true"]
    else:
        lines += [*([""] if lines else []), MARK, "[boot]", "systemd=true"]
    return "\n".join(lines) + "\n"
