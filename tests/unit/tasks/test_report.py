"""Lines that people read: progress while a job runs, and one row a host at the end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pyinfra
import pytest

from plan import plan
from plan.settings import Settings
from tasks import progress, report, verify, workstation
from tests.unit.machines import RTX_4090, changed, finished, machine

LINES = [
    (
        {"progress": {"bytes": 1_230_000_000, "total": 3_400_000_000, "rate": 45_000_000.0}},
        "1.23 of 3.40 GB, 45 MB/s, 0:48 left",
    ),
    (
        {"progress": {"bytes": 1e9, "total": 2e9, "rate": 1e6, "packages": 120, "packages_total": 148}},
        "1.00 of 2.00 GB, 1 MB/s, 16:40 left, 120/148 packages",
    ),
    ({"progress": {"bytes": 1e9, "total": 1.065e9, "rate": 1e6}}, "1.00 of 1.06 GB, 1 MB/s, 1:05 left"),
    ({"progress": {"bytes": 0, "total": 2e9, "rate": 0}}, "0.00 of 2.00 GB, 0 MB/s"),
    ({"progress": {"bytes": 0, "total": 0, "stage": "testing that it starts"}}, "testing that it starts"),
    ({"progress": {"stage": "converting"}, "lines": ["x"]}, "converting"),
    ({"progress": None, "lines": ["a", "b" * 200]}, "b" * 150),
    ({"lines": []}, "working"),
    ({}, "working"),
]


@pytest.mark.parametrize(("state", "text"), LINES)
def test_progress(state: dict[str, Any], text: str) -> None:
    assert progress.line(state) == text


class Result:
    """How one operation of a host ended."""

    def __init__(self, changed: bool) -> None:
        self._changed = changed

    def did_succeed(self, **_: object) -> bool:
        return True

    def did_change(self) -> bool:
        return self._changed

    def is_complete(self) -> bool:
        return True


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Empty memories of a run."""
    hosts: dict[str, Any] = {}
    monkeypatch.setattr(workstation, "_known", hosts)
    monkeypatch.setattr(report, "_failed", set())
    monkeypatch.setattr(report, "_unreachable", {})
    monkeypatch.setattr(report, "_state", [])
    return hosts


def state(*hosts: Any, failed: tuple[Any, ...] = (), results: tuple[Result, ...] = ()) -> Any:
    """As much of pyinfra's state as the table reads."""
    data = {str(n): SimpleNamespace(operation_meta=result) for n, result in enumerate(results)}
    return SimpleNamespace(
        inventory=list(hosts), failed_hosts=set(failed), results=dict.fromkeys(hosts, 1), ops=dict.fromkeys(hosts, data), op_meta=data,
        is_host_in_limit=lambda host: True, check_for_changes=True, meta={host: SimpleNamespace(ops_change=1) for host in hosts},
    )  # fmt: skip


class Host:
    """A host with a name."""

    def __init__(self, name: str) -> None:
        self.name = name


PC = Host("pc-01")


def known_as(**more: Any) -> Any:
    """A workstation as the table reads it."""
    usual: dict[str, Any] = {
        "verified": None, "last_plan": None, "unreachable": None, "held": None, "idle": False, "needed": False, "cost": None,
        "step": "Build the vLLM release", "words": [],
        "first": None, "left": [], "moved": {}, "printed": {}, "settings": Settings(),
    }  # fmt: skip
    return SimpleNamespace(**(usual | more))


def row(running: Any, host: Any = PC) -> tuple[str, str]:
    """The table's words for a host."""
    found: tuple[str, str] = report._row(running, host)
    return found


@pytest.mark.parametrize(("changes", "word"), [((False, False), "unchanged"), ((False, True), "changed")])
def test_a_host_that_serves(changes: tuple[bool, ...], word: str, known: dict[str, Any]) -> None:
    known["pc-01"] = known_as(verified="serving x at http://127.0.0.1:8000/v1")
    assert row(state(PC, results=tuple(Result(change) for change in changes))) == (
        word,
        "serving x at http://127.0.0.1:8000/v1",
    )


def test_a_dry_run(known: dict[str, Any]) -> None:
    known["pc-01"] = known_as()
    assert row(state(PC)) == ("planned", "nothing was done yet")
    same = state(PC)
    same.meta[PC].ops_change = 0
    assert row(same) == ("planned", "nothing would change")


def test_a_host_that_was_not_reached(known: dict[str, Any]) -> None:
    assert row(state(PC)) == ("UNREACHABLE", "not reached")
    report.Watcher.host_connect_error(state(PC), PC, OSError("no route"))  # type: ignore[arg-type]
    assert row(state(PC, failed=(PC,))) == ("UNREACHABLE", "no route")
    known["pc-01"] = known_as(unreachable="Could not connect (timed out)")
    assert row(state(PC, failed=(PC,))) == ("UNREACHABLE", "Could not connect (timed out)")


def test_a_host_that_was_not_begun(known: dict[str, Any]) -> None:
    known["pc-01"] = known_as(held="the canary pc-00 failed")
    assert row(state(PC, results=(Result(False),))) == ("HELD", "not begun: the canary pc-00 failed")


LONG = "".join(f"line {n}\n" for n in range(report.SENTENCE))
STDERR = [
    ("one\n\x1b[31m  port 8000 is taken.\x1b[0m \n\n", "one\n  port 8000 is taken."),
    (LONG, LONG.rstrip("\n")),
    (LONG + "the last", "the last"),  # apt's own lines stand above
    ("", "see above"),
]


@pytest.mark.parametrize(("stderr", "words"), STDERR)
def test_a_host_that_failed_says_in_which_step_and_why(stderr: str, words: str, known: dict[str, Any]) -> None:
    known["pc-01"] = known_as(words=stderr.splitlines())
    running = state(PC, failed=(PC,), results=(Result(False),))
    assert row(running) == ("FAILED", f"Build the vLLM release: {words}")


def test_the_table_has_one_row_a_host_in_one_column(known: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(pyinfra.logger, "info", lines.append)
    long = Host("a-long-name")
    known.update(
        {
            "pc-01": known_as(verified="type:\n    wsl --shutdown"),
            "a-long-name": known_as(),
        }
    )
    report._state.append(state(PC, long, results=(Result(True),)))
    monkeypatch.setattr(report, "_always", [False])
    report.table()
    refused = machine(wsl=1)
    known["pc-01"] = known_as(last_plan=plan.make(refused, Settings()))
    assert row(state(PC))[0] == "REFUSED"
    assert [line.rstrip() for line in lines] == [
        "", "pc-01        changed    type:", "                            wsl --shutdown", "a-long-name  changed    done",
    ]  # fmt: skip


def test_who_is_left_is_named_with_whom_they_need(known: dict[str, Any]) -> None:
    known.update({"gw": known_as(needed=True), "a": known_as(), "b": known_as()})
    assert report._left([("gw", "changed", ""), ("a", "FAILED", "x"), ("b", "changed", "")]) == ["gw", "a"]
    assert report._left([("gw", "changed", ""), ("a", "unchanged", "")]) == []


ANSWERED = '{"answers": [{"answer": "Paris is the capital.", "seconds": 0.4}]}'


@pytest.mark.parametrize(
    ("answered", "end"),
    [
        (ANSWERED, "; answered 'Paris is the capital.' in 0.4 s"),
        (None, ""),
        ("{cut", ""),
        ('{"answers": []}', ""),
    ],
)
def test_the_last_word_of_a_host_that_serves(answered: str | None, end: str) -> None:
    done = changed(finished(machine(RTX_4090)), "service", answered=answered)
    ws: Any = SimpleNamespace(machine=done, plan=plan.make(done, Settings()), settings=Settings())
    assert verify.answer(ws) == "serving openai/gpt-oss-20b at http://127.0.0.1:8000/v1" + end
