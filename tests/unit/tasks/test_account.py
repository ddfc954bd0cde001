"""What a run says that it found, did and left."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyinfra
import pytest

from plan.problems import Problem
from plan.settings import Settings
from tasks import account, report

APT = "Reading…\nFetched 3,051 kB in 1s (2,345 kB/s)\nFetched 1.2 MB in 0s (9 MB/s)\n"
LIBRARY = Problem(code="LIBRARY", evidence="GONE x", done="put back", step="Build the vLLM release", job="build")
OTHER = Problem(code="VERSIONS", evidence="y 1 is 2 now", done="put back", step="Build the vLLM release", job="build")
TOOLKIT = Problem(code="TOOLKIT", evidence="gone", done="installed", step="Install the CUDA toolkit")
PORT = Problem(code="PORT", evidence="port 8000 is taken", next="Stop it.")


def told(first: list[Problem] | None, left: list[Problem] | None, **moved: int) -> dict[str, Any]:
    ws: Any = SimpleNamespace(first=first, left=left, moved=moved, printed={"Install the CUDA toolkit": APT.split("…")})
    return account.account(ws)


def unhash(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["code"], row["bytes"], row["verified"]


def test_bytes_stand_once_and_apt_counts_its_own() -> None:
    found = told([LIBRARY, OTHER, TOOLKIT], [], build=21_100_000)
    assert [unhash(row) for row in found["problems"]] == [
        ("LIBRARY", 21_100_000, True), ("VERSIONS", 0, True), ("TOOLKIT", 4_251_000, True),
    ]  # fmt: skip
    assert account.lines(found, False) == [
        "LIBRARY: GONE x: put back, 21.1 MB, verified",
        "VERSIONS: y 1 is 2 now: put back, 0 B, verified",
        "TOOLKIT: gone: installed, 4.3 MB, verified",
        "0 problems left",
    ]


def test_what_is_left_is_said_with_the_next_step() -> None:
    found = told([LIBRARY, PORT], [LIBRARY, PORT])
    assert [unhash(row) for row in found["problems"]] == [("LIBRARY", 0, False)]
    assert account.lines(found, False) == [
        "LIBRARY: GONE x: not done. Run this again.", "PORT: port 8000 is taken. Stop it.", "2 problems left",
    ]  # fmt: skip


def test_a_dry_run_says_what_would_be_done() -> None:
    assert account.lines(told([LIBRARY], None), False, planned=True) == ["LIBRARY: GONE x: would be put back"]


def test_a_run_that_ended_before_its_last_look_verified_nothing() -> None:
    assert [unhash(row) for row in told([LIBRARY], None)["problems"]] == [("LIBRARY", 0, False)]


@pytest.mark.parametrize(("always", "lines"), [(False, []), (True, ["0 problems left"])])
def test_nothing_to_tell(always: bool, lines: list[str]) -> None:
    assert account.lines(told([], []), always) == lines == account.lines(told(None, []), always)


def test_many_are_cut() -> None:
    many = [LIBRARY.model_copy(update={"evidence": str(n)}) for n in range(account.LINES + 3)]
    lines = account.lines(told(many, []), False)
    assert len(lines) == account.LINES + 2 and lines[-2] == "and 3 more; report = FOLDER writes all"


def test_sizes() -> None:
    assert [account.size(n) for n in (0, 999, 1000, 21_066_810, 3_100_000_000)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "21.1 MB",
        "3.1 GB",
    ]


def test_the_report_is_written_where_the_settings_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, said = tmp_path / "r.json", []  # type: ignore[var-annotated]
    monkeypatch.setattr(report, "all_known", lambda: {"a": SimpleNamespace(settings=Settings(report=str(path)))})
    report._write({"hosts": {"a": {"state": "changed"}}})
    assert json.loads(path.read_text()) == {"hosts": {"a": {"state": "changed"}}}
    monkeypatch.setattr(pyinfra.logger, "error", said.append)
    monkeypatch.setattr(
        report, "all_known", lambda: {"a": SimpleNamespace(settings=Settings(report=f"{path}/none/r.json"))}
    )
    report._write({})
    assert "could not be written: Not a directory. Name a folder that you can write to." in said[0]
