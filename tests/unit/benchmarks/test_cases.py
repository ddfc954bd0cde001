"""Which flags a case starts with."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.emulate import cases
from benchmarks.emulate.cases import Case, Described


def test_the_utilization_is_a_share_of_the_real_card() -> None:
    assert cases.scaled(["--a", "--gpu-memory-utilization", "0.9"], 0.1) == [
        "--a",
        "--gpu-memory-utilization",
        "0.090000",
    ]
    assert cases.scaled(["--gpu-memory-utilization=0.9", "--b"], 0.1) == ["--gpu-memory-utilization", "0.090000", "--b"]
    assert cases.scaled(["--b"], 0.1) == ["--b", "--gpu-memory-utilization", "0.092000"]


def test_guide_and_defaults_get_the_backends_of_a_small_card() -> None:
    guide = cases.resolved(Case("g", 12, "guide"), Described())
    assert guide.flags == [*cases.GUIDE, "--moe-backend", "marlin", "--attention-backend", "TRITON_ATTN"]
    own = cases.resolved(Case("f", 12, "file", flags=["--moe-backend=triton"]), Described())
    assert own.flags == ["--moe-backend=triton", "--attention-backend", "TRITON_ATTN"]


def test_the_planner_is_asked_for_the_card() -> None:
    told = cases.planned(Case("12", 12.0), Described())
    assert {"flags", "env", "memory_gib", "kv_tokens", "predicted_tok_s", "refused"} <= set(told)
    assert told["refused"] is None
    assert not [value for value in told["env"].values() if cases.NOWHERE in value]


def test_what_the_planner_refuses_says_why() -> None:
    told = cases.planned(Case("3", 3.0), Described())
    assert told["refused"] and told["flags"] == []


def test_a_plan_in_the_case_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(cases, "planned", never)
    case = Case("p", 12, plan={"flags": ["--x"], "env": {"A": "1"}}, env={"B": "2"})
    found = cases.resolved(case, Described())
    assert found.flags[0] == "--x"
    assert found.env == {"A": "1", "B": "2"}


def test_the_command_line_makes_cases_card_by_card() -> None:
    found = cases.made([12, 7.2], guide=True, defaults=True, plugin="both")
    names = [case.name for case in found]
    assert names[:4] == ["12-plan", "12-plan-no-plugin", "12-guide", "12-defaults"]
    assert len(names) == 8
    assert found[4].total == 7.6


def test_cases_survive_a_file(tmp_path: Path) -> None:
    path = tmp_path / "cases.json"
    rows: list[dict[str, Any]] = [{"name": "a", "free_gib": 8, "flags": ["--x"]}, {"name": "b", "free_gib": 8}]
    path.write_text(json.dumps(rows))
    found = cases.read(path)
    assert [case.source for case in found] == ["file", "plan"]
    path.write_text(json.dumps([dataclasses.asdict(case) for case in found]))
    assert cases.read(path) == found
