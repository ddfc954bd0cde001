"""Examine hosts without touching them, then tell all at once and end with 0, 1 or 2."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path

from pydantic import ValidationError
from pyinfra import logger
from pyinfra.api import Host, State

from plan import doctor, redact
from plan.findings import tell
from plan.report import EXIT, HostReport, Report
from plan.settings import Settings
from tasks import page, screen
from tasks.workstation import Workstation

TOOL = "vllm-workstation 0.1.0"
_told: dict[str, HostReport] = {}
_settings: dict[str, Settings] = {}


def see(ws: Workstation) -> None:
    """Look at one host, once; whatever happens there becomes a finding."""
    _settings[ws.host.name] = ws.settings
    _told[ws.host.name] = _redacted(ws, _seen(ws))


def failed(host: Host, settings: Settings, error: BaseException) -> None:
    """Remember a host whose look itself came to nothing."""
    _settings[host.name] = settings
    _told[host.name] = doctor.unreachable(host.name, f"{type(error).__name__}: {error}"[:300])


def _seen(ws: Workstation) -> HostReport:
    seen = ws.look()
    if seen is None:
        return doctor.report(ws.host.name, [tell("PYTHON", "python3 is not installed")])
    if ws.machine is None or ws.plan is None:
        return doctor.report(ws.host.name, [doctor.crashed("what the machine answered could not be understood")])
    return doctor.examine(ws.host.name, ws.machine, ws.settings, ws.plan, ws.ours())


def _redacted(ws: Workstation, report: HostReport) -> HostReport:
    if not ws.settings.redact:
        return report
    number = [host.name for host in ws.host.state.inventory].index(ws.host.name) + 1
    return redact.redacted(report, number, ws.machine)


def finish(state: State) -> None:
    """After the last host: write, print, and end the process. Raises SystemExit with 0, 1 or 2."""
    active = {host.name for host in state.inventory.get_active_hosts()}
    if not active <= set(_told):
        return
    report = _report(state)
    for folder in dict.fromkeys(settings.report for settings in _settings.values() if settings.report):
        report = _write(report, Path(folder).expanduser())
    screen.show(report)
    sys.exit(report.exit)


def _report(state: State) -> Report:
    hidden = any(settings.redact for settings in _settings.values())
    hosts = []
    for number, host in enumerate(state.inventory, 1):
        missing = doctor.unreachable(host.name, "pyinfra's own error is above")
        hosts.append(_told.get(host.name) or (redact.redacted(missing, number, None) if hidden else missing))
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    worst = max((EXIT[host.state] for host in hosts), default=0)
    return Report(made_at=now, tool=TOOL, redacted=hidden, exit=worst, hosts=hosts)  # type: ignore[arg-type]


def _write(report: Report, folder: Path) -> Report:
    """Write report.json and report.html (or only the JSON file that is named), against what was there before."""
    only = folder.suffix == ".json"
    path = folder if only else folder / "report.json"
    report = doctor.drifted(report, _last(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(report.model_dump_json(indent=1) + "\n")
        if not only:
            (folder / "report.html").write_text(page.html(report))
    except OSError as error:
        logger.error(f"report = {folder} could not be written: {error.strerror}. Name a folder that you can write to.")
    return report


def _last(path: Path) -> Report | None:
    """The report that lies there; None where there is none or it is of another form."""
    try:
        return Report.model_validate_json(path.read_text())
    except (OSError, ValueError, ValidationError):
        return None
