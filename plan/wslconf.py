"""systemd in WSL: /etc/wsl.conf with [boot] systemd=true and everything else as it was."""

from __future__ import annotations

import re

PATH = "/etc/wsl.conf"
MARK = "# systemd=true: set by vllm-workstation"
COMMANDS = "wsl --shutdown\nwsl"
# systemd services do not keep a distribution alive (MicrosoftDocs/WSL systemd.md, read 2026-11-22).
IDLE = (
    "Windows stops WSL some seconds after its last window closes, and the server with it. Keep a window open, or set "
    "instanceIdleTimeout=-1 under [general] and vmIdleTimeout=-1 under [wsl2] in %UserProfile%\\.wslconfig."
)


def switched_off(text: str | None) -> bool:
    """Whether the file says systemd=false, or says nothing any more under our own mark."""
    return with_systemd(text) != (text or "") and bool(
        re.search(r"^\s*systemd\s*=|" + re.escape(MARK), text or "", re.M | re.I)
    )


def with_systemd(text: str | None) -> str:
    """The file with systemd switched on. Other lines stay byte for byte; a second call changes nothing."""
    text = text or ""
    end = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    section, boot, keys = "", None, []
    for number, line in enumerate(lines):
        bare = line.lstrip("\ufeff").strip()
        header = re.fullmatch(r"\[\s*([^\]]*?)\s*\](\s*[#;].*)?", bare)
        section = header.group(1).lower() if header else section
        if section == "boot" and bare:
            boot = number
            if re.match(r"systemd\s*=", bare, re.I):
                keys.append(number)
    if keys and _value(lines[keys[-1]]) == "true":  # the last of a repeated key counts
        return text
    on = f"{MARK}{end}systemd=true{end}"
    if keys:
        lines[keys[-1]] = on
    elif boot is not None:
        lines[boot] = lines[boot] if lines[boot].endswith("\n") else lines[boot] + end
        lines.insert(boot + 1, on)
    else:
        gap = [] if not lines else [end] if lines[-1].endswith("\n") else [end, end]
        lines += [*gap, f"{MARK}{end}[boot]{end}systemd=true{end}"]
    return "".join(lines)


def _value(line: str) -> str:
    """What a `key=value # comment` line sets, as the probe reads it."""
    found: str = re.split(r"\s+[#;]", line.partition("=")[2].strip())[0]
    return found.strip().strip("\"'").lower()
