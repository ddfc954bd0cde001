"""What the doctor remembers of hosts and how it tells them: redacted whatever happened, each under one name, whatever the terminal."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api.exceptions import DeployError

from plan import doctor as made
from plan.settings import Settings
from tasks import doctor


class Data(dict[str, Any]):
    """Host data as pyinfra gives it."""

    def dict(self) -> dict[str, Any]:
        return self


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_told", {})
    monkeypatch.setattr(doctor, "_settings", {})


def lab(*names: str, limit: str = "", **data: Any) -> Any:
    """A state whose inventory has these hosts; `limit`: those of --limit."""
    state = SimpleNamespace(is_host_in_limit=lambda host: not limit or host.name in limit.split(","))
    state.inventory = [SimpleNamespace(name=name, data=Data(data), state=state) for name in names]
    return state


WORDS = "boom /home/alice/x on alice-pc.lab.example at 10.20.0.9"


@pytest.mark.parametrize("error", [RuntimeError(WORDS), OSError(WORDS), DeployError(WORDS)])
def test_a_host_whose_look_failed_is_redacted_too(error: Exception) -> None:
    state = lab("alice-pc.lab.example", redact=True)
    doctor.failed(state.inventory[0], Settings(redact=True), error)
    text = doctor._report(state).model_dump_json()
    assert "alice" not in text and "10.20" not in text and "lab.example" not in text and '"redacted":true' in text


def test_each_host_has_one_name_whatever_the_limit() -> None:
    """The second is looked at, the third is not there: neither has the other's name."""
    state = lab("a1", "b2", "c3", limit="b2,c3", redact="true")
    doctor._remember(state.inventory[1], Settings(redact=True), made.report("b2", []))
    assert [host.name for host in doctor._report(state).hosts] == ["host-2", "host-3"]


def test_a_report_with_one_redacted_host_says_so() -> None:
    state = lab("a1", "b2")
    state.inventory[0].data["redact"] = True
    for host in state.inventory:
        doctor._remember(host, Settings(), made.report(host.name, []))
    report = doctor._report(state)
    assert report.redacted and [host.name for host in report.hosts] == ["host-1", "b2"]


def test_a_bad_setting_is_that_hosts_finding() -> None:
    state = lab("a1", "b2", port="no number", report="/tmp/x")
    doctor.failed(state.inventory[0], None, DeployError("a1: port = no number: a number is needed"))
    doctor._remember(state.inventory[1], Settings(), made.report("b2", []))
    report = doctor._report(state)
    first, second = report.hosts
    assert first.primary and first.primary.code == "SETTING" and first.state == "person" and second.state == "healthy"
    assert "no number" in first.primary.evidence and doctor._settings["a1"].report == "/tmp/x"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_terminal_can_show_it(encoding: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The exit stays the doctor's own, and the files are written whole."""
    state = lab("主機-\ud800", report=str(tmp_path))
    state.inventory = type("Inventory", (list,), {"get_active_hosts": lambda self: list(self)})(state.inventory)
    doctor._remember(
        state.inventory[0], Settings(report=str(tmp_path)), made.report("主機", [made.crashed("a\ud800…" * 300)])
    )
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    with pytest.raises(SystemExit) as ended:
        doctor.finish(state)
    sys.stdout.flush()
    assert ended.value.code == 2 and b"CHECK" in raw.getvalue()
    assert json.loads((tmp_path / "report.json").read_text())["exit"] == 2 and (tmp_path / "report.html").exists()
