"""What other people's machines said, retold from their posts, healthy ones among them: the right cause first, and none where nothing is wrong."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from plan.fault_table import rows
from plan.faults import diagnose
from plan.toml import parse
from tests.unit.recorded import REPOSITORY

LOGS = [
    log
    for name in ("real", "recorded", "written")
    for log in parse((REPOSITORY / f"tests/data/faults/{name}.toml").read_text(encoding="utf-8"))["log"]
]


@pytest.mark.parametrize("log", LOGS, ids=lambda log: f"{log['code'] or 'healthy'}-{log['source']}")
def test_a_posted_log(log: dict[str, Any]) -> None:
    found = diagnose(log["text"])
    assert (found[0].code if found else "") == log["code"]


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "tests/data/faults/healthy").iterdir()), ids=lambda path: str(path.stem)
)
def test_a_whole_log_of_a_machine_that_is_well(path: Path) -> None:
    assert diagnose(path.read_text(encoding="utf-8")) == []


def test_most_causes_were_met_in_posted_logs() -> None:
    """Rows that nobody's log has met yet are known by name; the list may only get shorter."""
    met = Counter(log["code"] for log in LOGS)
    assert len(LOGS) >= 200 and met[""] >= 15
    unmet = {row.code for row in rows()} - set(met)
    assert len(unmet) <= 33, sorted(unmet)
