"""Examine hosts without touching them, then tell all at once and end with 0, 1 or 2."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path

from paramiko import SSHException
from pydantic import ValidationError
from pyinfra import logger
from pyinfra.api import Host, State
from pyinfra.api.exceptions import PyinfraError

from plan import doctor, redact
from plan.findings import tell
from plan.report import Exit, HostReport, Report
from plan.settings import Settings
from tasks import page, screen
from tasks.workstation import Workstation

LOST = (PyinfraError, OSError, EOFError, SSHException)  # what a connection that breaks raises
TOOL = "vllm-workstation 0.1.0"
_told: dict[str, HostReport] = {}
_settings: dict[str, Settings] = {}


def see(ws: Workstation) -> None:
    """Look at one host, once; whatever happens there becomes a finding."""
    _settings[ws.host.name] = ws.settings
    _told[ws.host.name] = _redacted(ws, _seen(ws))


def failed(host: Host, settings: Settings, error: Exception) -> None:
    """Remember a host whose look itself came to nothing: the connection's fault, or ours."""
    _settings[host.name] = settings
    words = f"{type(error).__name__}: {error}"[:300]
    lost = isinstance(error, LOST)
    _told[host.name] = (
        doctor.unreachable(host.name, words) if lost else doctor.report(host.name, [doctor.crashed(words)])
    )


def _seen(ws: Workstation) -> HostReport:
    """One look; only where that gave no machine, another that tells why."""
    if ws.machine is not None and ws.plan is not None:
        return doctor.examine(ws.host.name, ws.machine, ws.settings, ws.plan, ws.ours())
    if ws.look() is None:
        return doctor.report(ws.host.name, [tell("PYTHON", "python3 is not installed")])
    return doctor.report(ws.host.name, [doctor.crashed("what the machine answered could not be understood")])


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
        report = _write(report, folder)
    try:
        screen.show(report)
    except OSError as error:  # nobody reads, or a full disk
        logger.error(f"the findings could not be printed: {error.strerror}. Use --data report=FOLDER.")
    sys.exit(report.exit)


def _report(state: State) -> Report:
    hidden = any(settings.redact for settings in _settings.values())
    hosts = []
    asked = [host for host in state.inventory if state.is_host_in_limit(host)]
    for number, host in enumerate(asked, 1):
        missing = doctor.unreachable(host.name, "pyinfra could not log in (its own words stand on the terminal)")
        hosts.append(_told.get(host.name) or (redact.redacted(missing, number, None) if hidden else missing))
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    worst: Exit = max((host.exit for host in hosts), default=0)
    return Report(made_at=now, tool=TOOL, redacted=hidden, exit=worst, hosts=hosts)


def _write(report: Report, where: str) -> Report:
    """Write report.json and report.html (or only the JSON file that is named), against what was there before."""
    try:
        folder = Path(where).expanduser()
        only = folder.suffix == ".json"
        path = folder if only else folder / "report.json"
        report = doctor.drifted(report, _last(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, report.model_dump_json(indent=1) + "\n")
        if not only:
            _replace(folder / "report.html", page.html(report))
    except (OSError, RuntimeError) as error:  # RuntimeError: no such user's home
        logger.error(
            f"report = {where} could not be written: {getattr(error, 'strerror', None) or error}. Name a folder that you can write to."
        )
    return report


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def _last(path: Path) -> Report | None:
    """The report that lies there; None where there is none or it is of another form."""
    try:
        return Report.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, ValidationError):
        return None
