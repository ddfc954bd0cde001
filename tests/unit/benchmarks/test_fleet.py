"""The fleet's figures, and that every item of the state becomes a task."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import fleet
from benchmarks.peers import cost, playbook

PATH = {"path": "/a", "owner": "ops", "mode": "644"}
ITEMS: list[dict[str, Any]] = [
    {"kind": "packages", "names": ["a"]},
    {"kind": "absent", "name": "b"},
    {"kind": "directory", **PATH},
    {"kind": "file", "source": "/s", **PATH},
    {"kind": "link", "path": "/l", "target": "t", "owner": "ops"},
    {"kind": "line", "path": "/f", "line": "text", "match": "^t"},
    {"kind": "linger", "user": "ops"},
    {"kind": "service", "name": "s", "uid": 1000},
]


def rows(ours: float, count: int = 1, cpu: float = 1.0) -> list[fleet.Row]:
    walls = {"ours": ours, "start-up": 0.5, "limit": 1.0}
    return [
        {"tool": name, "hosts": count, "latency_ms": 0, "wall_s": wall, "cpu_s": cpu} for name, wall in walls.items()
    ]


def test_how_long_ours_may_take() -> None:
    """Start-up and one and a half round trips."""
    assert fleet.allowed(rows(2.0))["within"] and not fleet.allowed(rows(2.01))["within"]


def test_what_a_further_host_costs() -> None:
    """The slope over the counts, of one tool."""
    both = [*rows(1.0, 1, 1.0), *rows(1.0, 11, 1.5)]
    assert fleet.further(both, "ours") == pytest.approx(0.05)
    assert fleet.further(rows(1.0), "ours") is None


def test_each_item_is_a_task(tmp_path: Path) -> None:
    """As root where root owns it, with the module of its kind."""
    playbook.write(ITEMS, tmp_path / "site.yml")
    (play,) = json.loads((tmp_path / "site.yml").read_text())
    modules = {"apt", "file", "copy", "lineinfile", "command", "systemd"}
    assert [(set(task) & modules) and task.get("become", False) for task in play["tasks"]] == [
        True, True, False, False, False, True, True, False,
    ]  # fmt: skip


def test_a_process_left_behind_is_counted_and_ended() -> None:
    """As ssh's kept connections: its parent is gone, and it would go on."""
    left = "import sys,time\nx = sum(i for i in range(6_000_000))\nprint('worked', flush=True)\ntime.sleep(60)"
    begun, others = cost.cpu(), cost._children()
    with cost.adopting():
        words = ["sh", "-c", 'setsid "$0" -c "$1" & sleep 0', sys.executable, left]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None and process.stdout.readline() == "worked\n"
        process.wait()
        direct = cost.cpu() - begun
        before = cost._children() - others
    assert before and not (cost._children() & before)
    assert cost.cpu() - begun > direct + 0.05
    process.stdout.close()
