"""uv's progress bars, from its real terminal."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.remote import terminal
from tests.unit.recorded import RECORDED, Recording, cases, recordings

ROWS = recordings("uv-terminal", "wheels")
ENV = dict(os.environ)


def raw(row: Recording) -> str:
    """The recording with its carriage returns."""
    return (RECORDED / row.file).read_bytes().decode()


def fed(text: str, size: int) -> terminal.Meter:
    """A meter that was given the text in pieces."""
    meter = terminal.Meter()
    for at in range(0, len(text), size):
        meter.feed(terminal.ESCAPES.sub("", text[at : at + size]))
    return meter


@pytest.mark.parametrize("row", cases(ROWS))
def test_sizes_of_every_wheel(row: Recording) -> None:
    meter = fed(raw(row), 1 << 20)
    assert {name: total for name, (_, total) in meter.wheels.items()} == row.expect["wheels"]
    assert all(0 < done <= total for done, total in meter.wheels.values())
    values = meter.values()
    assert (values["total"], values["packages_total"]) == (
        sum(row.expect["wheels"].values()),
        row.expect["packages_total"],
    )
    assert 0.9 * values["total"] < values["bytes"] <= values["total"]


@pytest.mark.parametrize("size", [333, 1000, 4095])
@pytest.mark.parametrize("row", cases(ROWS))
def test_where_the_terminal_cuts_does_not_matter(row: Recording, size: int) -> None:
    assert set(fed(raw(row), size).wheels) <= set(row.expect["wheels"])


@pytest.mark.parametrize("row", cases(ROWS))
def test_progress_never_goes_back(row: Recording) -> None:
    meter, seen = terminal.Meter(), 0.0
    for line in raw(row).split("\r"):
        meter.feed(terminal.ESCAPES.sub("", line))
        assert meter.values()["bytes"] >= seen
        seen = meter.values()["bytes"]
    assert seen > 0


NUMBER, UNIT = (
    st.text("0123456789.", min_size=1, max_size=4),
    st.sampled_from(["B", "KiB", "MiB", "GiB", "kB", "KB", "MB", "iB", "TiB"]),
)
BAR = st.tuples(NUMBER, UNIT, NUMBER, UNIT).map(lambda part: f"numpy ---- {part[0]} {part[1]}/{part[2]} {part[3]}")


@given(text=st.one_of(st.text(), BAR))
def test_any_output_is_taken(text: str) -> None:
    terminal.Meter().feed(text)


@pytest.mark.parametrize(
    "line", ["numpy ------ 1.0 MB/2.0 MB", "numpy ------ 1.2.3 MiB/2.0 MiB", "numpy ------ 1 iB/2 iB"]
)
def test_an_unknown_unit_or_number_is_no_reason_to_stop_an_install(line: str) -> None:
    terminal.Meter().feed(line)


@pytest.mark.parametrize("row", cases(ROWS))
def test_run_replays_a_real_terminal(row: Recording) -> None:
    reports: list[dict[str, float]] = []
    code, text = terminal.run(["cat", str(RECORDED / row.file)], ENV, reports.append)
    assert code == 0
    assert reports[-1]["total"] == sum(row.expect["wheels"].values())
    assert "Installed 9 packages" in text and "\x1b" not in text


@pytest.mark.parametrize(
    ("script", "code"), [("exit 3", 3), ("echo out; echo err >&2; exit 1", 1), ("kill -9 $$", 128)]
)
def test_run_tells_how_it_ended(script: str, code: int) -> None:
    found, text = terminal.run(["sh", "-c", script], ENV, lambda values: None)
    assert found == code
    assert ("out" in text and "err" in text) == ("out" in script)


def test_run_gives_a_terminal_of_known_size() -> None:
    code = "import os, sys; print(sys.stdout.isatty(), os.environ['TERM'], os.environ['COLUMNS'])"
    assert terminal.run([sys.executable, "-c", code], ENV, lambda values: None) == (0, "True xterm 160\r\n")


def test_only_the_end_is_kept_and_reports_come_while_it_runs() -> None:
    reports: list[Any] = []
    since = time.time()
    code, text = terminal.run(["sh", "-c", "yes 0123456789 | head -2000; sleep 1.2; echo end"], ENV, reports.append)
    assert code == 0 and len(text) == 4000 and text.endswith("end\r\n")
    assert 2 <= len(reports) <= 2 + int((time.time() - since) / 0.4)
