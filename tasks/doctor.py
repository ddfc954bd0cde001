"""Examine hosts without touching them, then tell all at once and end with 0, 1 or 2."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path

from paramiko import SSHException
from pydantic import ValidationError
from pyinfra import logger
from pyinfra.api import Host, State
from pyinfra.api.exceptions import DeployError, PyinfraError

from plan import doctor, redact
from plan.findings import tell
from plan.machine import Machine
from plan.report import Exit, HostReport, Report
from plan.settings import Settings
from tasks import page, screen
from tasks.workstation import Workstation

LOST = (PyinfraError, OSError, EOFError, SSHException)  # what a connection that breaks raises
NO_LOGIN = "pyinfra could not log in (its own words stand on the terminal)"
TOOL = "vllm-workstation 0.1.0"
_told: dict[str, HostReport] = {}
_settings: dict[str, Settings] = {}


def see(ws: Workstation, password: bool) -> None:
    """Look at one host, once; whatever happens there becomes a finding. `password`: whether one was given for sudo."""
    _remember(ws.host, ws.settings, _seen(ws, password), ws.machine)


def leave(ws: Workstation) -> None:
    """Do not look at a machine that serves no model."""
    _remember(ws.host, ws.settings, HostReport(name=ws.host.name, state="healthy", system=f"role = {ws.settings.role}: not examined"))


def failed(host: Host, settings: Settings | None, error: Exception) -> None:
    """Remember a host whose look itself came to nothing: the connection's fault, a bad setting of that host's, or ours."""
    words = f"{type(error).__name__}: {error}"[:300]
    if isinstance(error, DeployError):
        told = doctor.report(host.name, [tell("SETTING", str(error))])
    elif isinstance(error, LOST):
        told = doctor.unreachable(host.name, words)
    else:
        told = doctor.report(host.name, [doctor.crashed(words)])
    _remember(host, settings, told)


def _remember(host: Host, settings: Settings | None, report: HostReport, machine: Machine | None = None) -> None:
    _settings[host.name] = settings or _rest(host)
    _told[host.name] = _shown(host, report, machine)


def _rest(host: Host) -> Settings:
    """Where and how to tell, of a host with a bad setting."""
    data = host.data.dict()  # type: ignore[no-untyped-call]
    where = data.get("report")
    return Settings(report=where if isinstance(where, str) else "", redact=_hides(host))


def _seen(ws: Workstation, password: bool) -> HostReport:
    """One look; only where that gave no machine, another that tells why."""
    if ws.machine is not None and ws.plan is not None:
        return doctor.examine(ws.host.name, ws.machine, ws.settings, ws.plan, ws.ours(), password)
    answer = ws.look()
    if answer is None:
        return doctor.report(ws.host.name, [tell("PYTHON", "python3 is not installed")])
    why = [f"{subject}: {words}" for subject, words in (answer.get("errors") or {}).items()]
    crashed = [doctor.crashed(one) for one in why or ["what the machine answered could not be understood"]]
    return doctor.report(ws.host.name, crashed)


def _shown(host: Host, report: HostReport, machine: Machine | None = None) -> HostReport:
    """The report as it may be told: with redact = True without who and where, by the host's place in the inventory."""
    if not _hides(host):
        return report
    lab: dict[str, str] = {}
    for number, one in enumerate(host.state.inventory, 1):
        address = str(one.data.get("ssh_hostname") or "")
        lab |= {name: f"host-{number}" for name in (one.name, address) if name}
    if user := str(host.data.get("ssh_user") or ""):
        lab[user] = "USER"
    return redact.redacted(report, int(lab[host.name].removeprefix("host-")), machine, lab)


def _hides(host: Host) -> bool:
    """Whether this host asks for it; what cannot be understood does not tell."""
    return host.data.get("redact") not in (None, False, "", "false", "False", "no", "0", 0)


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
    except (OSError, ValueError) as error:  # nobody reads, a full disk, or a terminal that knows only some characters
        logger.error(
            f"the findings could not be printed: {getattr(error, 'strerror', None) or error}. Use --data report=FOLDER."
        )
    sys.exit(report.exit)


def _report(state: State) -> Report:
    asked = [host for host in state.inventory if state.is_host_in_limit(host)]
    hosts = [_told.get(host.name) or _shown(host, doctor.unreachable(host.name, NO_LOGIN)) for host in asked]
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    worst: Exit = max((host.exit for host in hosts), default=0)
    hidden = any(_hides(host) for host in asked)
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
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: no such user's home
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
