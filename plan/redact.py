"""Keep who and where out of a report, so that it can be shown to strangers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from plan.machine import Machine
from plan.report import HostReport

TEXTS = {"evidence", "en", "zh", "url", "model"}  # fields that may tell; the others are our own words and figures
PACKAGES = {"VERSIONS", "LIBRARY", "FOREIGN-LIBRARY", "CHOICE", "RELEASE"}  # their 9.1.0.70 is a version
# Names that tell nobody, and that stand in texts as words of their own.
COMMON = {
    *("root", "local", "localhost", "user", "admin", "server", "host", "ubuntu", "debian", "wsl"),
    *("gpu", "cuda", "nvidia", "vllm", "python", "torch", "/", "/root"),
}
SEGMENT = r"[^/\\\s:'\",;)]+"
HOMES = (
    # Windows' names may hold blanks: then only where the path goes on.
    re.compile(rf"(?i)[a-z]:[\\/]+users[\\/]+(?:{SEGMENT}(?: {SEGMENT}){{0,3}}(?=[\\/])|{SEGMENT})"),
    re.compile(rf"(?i)/mnt/[a-z]/users/(?:{SEGMENT}(?: {SEGMENT}){{0,3}}(?=/)|{SEGMENT})"),
    re.compile(rf"(?<![\w.])(?:/[\w.-]+)*/home/{SEGMENT}"),
    re.compile(rf"(?:\\+[\w.$-]+)+\\+home\\+{SEGMENT}"),  # \\wsl.localhost\Ubuntu\home\alice
)
MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}\b", re.I)
HARDWARE = re.compile(r"(?<![\w:])(?:[0-9a-f]{2}:){5}[0-9a-f]{2}(?![\w:])", re.I)
IPV6 = re.compile(r"(?<![\w:.])[0-9a-f]{0,4}:[0-9a-f:]+(?:\d+\.\d+\.\d+\.\d+)?(?![\w:])", re.I)
# Not a version: those follow a name, a sign or these words.
IPV4 = re.compile(
    r"(?:(?<=\bip-)|(?<![\w.-])(?<!==)(?<!cu12 )(?<!cu13 )(?<!version ))\d{1,3}(?:\.\d{1,3}){3}(?![\d.-]*\d)"
)


def redacted(
    report: HostReport, number: int, machine: Machine | None, lab: Mapping[str, str] | None = None
) -> HostReport:
    """The report with home, user and host names and addresses replaced, as far as they can be told; the host is `host-NUMBER`.

    `lab`: what stands for the names and addresses of all hosts of the inventory.
    """
    names = _names(report.name, number, machine, lab or {})

    def clean(value: Any, key: str = "", versions: bool = False) -> Any:
        if isinstance(value, str):
            return _clean(value, names, versions) if key in TEXTS else value
        if isinstance(value, dict):
            inside = versions or value.get("code") in PACKAGES
            return {name: clean(one, name, inside) for name, one in value.items()}
        return [clean(one, key, versions) for one in value] if isinstance(value, list) else value

    return HostReport.model_validate(clean(report.model_dump(mode="json") | {"name": f"host-{number}"}))


def _names(host: str, number: int, machine: Machine | None, lab: Mapping[str, str]) -> dict[str, str]:
    """What to put in place of what, the longest first."""
    found = {name.removeprefix("@"): to for name, to in lab.items()}
    found |= {host: f"host-{number}", host.removeprefix("@"): f"host-{number}"}
    if machine is not None:
        hostname = machine.logs.hostname if machine.logs else ""
        found |= {machine.system.user.home: "~", machine.system.user.name: "USER"}
        found |= {hostname: f"host-{number}"}
    found = {name if IPV4.fullmatch(name) else name.partition(".")[0]: to for name, to in found.items()} | found
    kept = {name: to for name, to in found.items() if name and name.lower() not in COMMON}
    return dict(sorted(kept.items(), key=lambda pair: -len(pair[0])))


def _clean(text: str, names: Mapping[str, str], versions: bool) -> str:
    for pattern in HOMES:
        text = pattern.sub("~", text)
    text = MAIL.sub("USER@HOST", text)
    for name, to in names.items():
        text = re.sub(rf"(?<!\w){re.escape(name)}(?![^\W_]|/\w+\.py)", to, text, flags=re.I)
    text = IPV6.sub(_address, HARDWARE.sub("ADDRESS", text))
    return text if versions else IPV4.sub(_address, text)


def _address(found: re.Match[str]) -> str:
    """ADDRESS for one of another machine; loopback, the address of no machine and what is none stay."""
    try:
        at = ipaddress.ip_address(found.group())
    except ValueError:
        return found.group()
    return found.group() if at.is_loopback or at.is_unspecified else "ADDRESS"
