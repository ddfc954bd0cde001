"""Keep who and where out of a report, so that it can be shown to strangers."""

from __future__ import annotations

import re
from typing import Any

from plan.machine import Machine
from plan.report import HostReport

# Not a version such as 12.8.4.1: those follow a package's name or a sign.
ADDRESS = re.compile(
    r"(?<![\d.v-])(?<!==)(?<!cu12 )(?<!cu13 )(?<!version )(?!127\.)[1-9]\d{1,2}(\.\d{1,3}){3}(?![\d.-]*\d)"
)
IPV6 = re.compile(
    r"(?<![\w:.])(?:[0-9a-f]{1,4}:){3,7}(?:[0-9a-f]{1,4}|:)(?![\w:])|(?<![\w:.])[0-9a-f]{2,4}:(?:[0-9a-f]{0,4}:){1,6}[0-9a-f]{1,4}(?![\w:.])",
    re.I,
)
TEXTS = {"evidence", "en", "zh", "url", "model"}  # fields that may tell; the others are our own words and figures
HOME = re.compile(r"(?<![\w.])/(?:home|mnt/c/Users)/[^/\s:'\"]+")


def redacted(report: HostReport, number: int, machine: Machine | None) -> HostReport:
    """The report with home, user and host names and addresses replaced; the host is `host-NUMBER`."""
    names = _names(report.name, number, machine)

    def clean(value: Any, key: str = "") -> Any:
        if isinstance(value, str):
            return _clean(value, names) if key in TEXTS else value
        if isinstance(value, dict):
            return {name: clean(one, name) for name, one in value.items()}
        return [clean(one, key) for one in value] if isinstance(value, list) else value

    return HostReport.model_validate(clean(report.model_dump(mode="json") | {"name": f"host-{number}"}))


def _names(host: str, number: int, machine: Machine | None) -> dict[str, str]:
    """What to put in place of what, the longest first."""
    found = {host: f"host-{number}", host.removeprefix("@"): f"host-{number}"}
    if machine is not None:
        hostname = machine.logs.hostname if machine.logs else ""
        found |= {machine.system.user.home: "~", machine.system.user.name: "USER"}
        found |= {name: f"host-{number}" for name in (hostname, hostname.partition(".")[0]) if name}
    kept = {name: to for name, to in found.items() if name and name not in ("root", "/", "/root", "local", "localhost")}
    return dict(sorted(kept.items(), key=lambda pair: -len(pair[0])))


def _clean(text: str, names: dict[str, str]) -> str:
    for name, to in names.items():
        text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-]|/\w+\.py)", to, text, flags=re.I)
    return IPV6.sub("ADDRESS", ADDRESS.sub("ADDRESS", HOME.sub("~", text)))
