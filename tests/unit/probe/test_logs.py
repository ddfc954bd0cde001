"""What was said last on a machine: without secrets, not endless, and only where it is asked for."""

from __future__ import annotations

import json
import os
from pathlib import Path

from facts.probe import logs


def test_lines_without_a_unit_are_asked_for_too() -> None:
    """journald drops the unit from lines of a process that is gone when it looks; the identifier stays."""
    user = f"_UID={os.getuid()}"
    assert logs.matches("a.service") == [
        *(user, "_SYSTEMD_USER_UNIT=a.service", "+", user, "USER_UNIT=a.service", "+", user, "SYSLOG_IDENTIFIER=a"),
    ]
    unit = (Path(logs.__file__).parents[2] / "plan/templates/vllm-workstation.service.j2").read_text()
    assert "\nSyslogIdentifier=vllm-workstation\n" in unit


def test_nothing_is_read_where_it_was_not_asked_for(tmp_path: Path) -> None:
    assert logs.observe({"root": str(tmp_path), "unit": "none"}) is None


def test_logs_of_jobs_and_the_server(tmp_path: Path) -> None:
    (tmp_path / "service").mkdir()
    (tmp_path / "service/server.log").write_bytes(b"x" * 300_000 + b"\nthe end \xff hf_abcdefghijkl\n")
    for name, status in (
        ("build", json.dumps({"state": "failed", "ended": 5.0})),
        ("start", "not json"),
        ("weights", "[1]"),
    ):
        (tmp_path / "jobs" / name).mkdir(parents=True)
        (tmp_path / "jobs" / name / "status.json").write_text(status)
        (tmp_path / "jobs" / name / "log").write_text("why it failed\n")
    told = logs.observe({"root": str(tmp_path), "unit": "no-such-unit-of-mine", "logs": True})
    assert told is not None and told["hostname"] == os.uname().nodename
    assert len(told["server"]) <= logs.BYTES and "the end" in told["server"] and "hf_abc" not in told["server"]
    assert told["jobs"] == {"build": {"state": "failed", "ended": 5.0, "log": "why it failed\n"}}


def test_odd_files_are_no_logs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "none", Path("a\0b")):
        assert logs.tail(str(path)) is None
