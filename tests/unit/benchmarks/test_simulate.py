"""The simulated lab is as planned, and one host that is not is noticed."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from benchmarks import simulate


def test_a_simulated_lab_is_as_planned(tmp_path: Path) -> None:
    """Machines of different users, each unchanged."""
    simulate.write(tmp_path)
    wall, cpu, rss = simulate.once(3, tmp_path)
    assert wall > 0 and cpu > 0 and rss > 10
    told = json.loads((tmp_path / "run.json").read_text())["hosts"]
    assert [host["state"] for host in told.values()] == ["unchanged"] * 3
    lab = runpy.run_path(str(tmp_path / "inventory.py"))["lab"]
    answers = [json.loads(data["fake_responses"]["probe.main"])["system"] for _, data in lab]
    assert len({answer["user"]["home"] for answer in answers}) == 3
    assert len({answer["disk"]["free_bytes"] for answer in answers}) == 3


def test_a_host_that_is_not_ends_it(tmp_path: Path) -> None:
    """No figure is given for a lab in which something is to be done."""
    simulate.write(tmp_path)
    one = tmp_path / "answer-01.json"
    seen = json.loads(one.read_text())
    seen["service"]["linger"] = False
    one.write_text(json.dumps(seen))
    with pytest.raises(SystemExit, match="not a second run of 2"):
        simulate.once(2, tmp_path)


def test_the_line_through_the_counts() -> None:
    """Slope and the largest distance from it."""
    slope, off = simulate.line([1, 100, 300], [2.0, 101.0, 301.0])
    assert slope == pytest.approx(1.0) and off == pytest.approx(0.0)
    assert simulate.line([1, 2, 3], [0.0, 3.0, 0.0])[1] > 0.3
    assert simulate.line([5], [1.0]) == (0.0, 0.0)
