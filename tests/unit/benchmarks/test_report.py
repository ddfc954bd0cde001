"""Plan against measurement."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.emulate import report, table

ROW: dict[str, Any] = {
    "name": "12-plan", "ok": True, "tok_s_1": 117.8, "ttft_2k_s": 0.26, "kv_tokens": 13821, "pcie_gb_s": 52.0, "load_peak_gib": 11.4,
    "memory_gib": {"context": 0.5, "weights": 10.57, "activations": 0.35, "graphs": 0.06, "kv": 0.34, "steady": 11.82, "reserve": 0.1},
    "plan": {
        "memory_gib": {"context": 0.53, "weights": 10.1, "activations": 0.37, "graphs": 0.06, "kv": 0.34, "reserve": 0.12},
        "load_peak_gib": 11.2, "kv_tokens": 13821, "predicted_tok_s": 120.0, "predicted_ttft_s": 0.2, "offload_gib": 2.15,
    },
    "log": {"offloaded_gib": 2.15, "weights_gib": 10.57},
}  # fmt: skip


def test_near_and_far() -> None:
    found = {check["what"]: check for check in report.checks(ROW)}
    assert len(found) == 10
    assert [what for what, check in found.items() if not check["near"]] == [
        "weights, GiB",
        "steady, GiB",
        "first token of 2,000, s",
    ]
    assert found["weights, GiB"]["difference"] == 0.47
    assert found["tok/s, 1 stream"]["ratio"] == 0.982


def test_what_was_not_measured_is_not_checked() -> None:
    assert report.checks({"name": "x", "ok": False, "plan": ROW["plan"]}) == []
    assert report.checks({"name": "x", "ok": True, "memory_gib": ROW["memory_gib"]}) == []


def test_the_bound_is_the_link_s() -> None:
    seconds = 0.00285 + 2.15 * 2**30 / 8 / 52e9
    assert report.bound(ROW, 0.00285) == pytest.approx(1 / seconds, abs=0.05)
    assert report.bound({"log": {}}, 0.00285) is None


def test_a_run_s_own_speed_without_offload_counts() -> None:
    alone = {"tok_s_1": 357.0, "log": {}}
    assert report.token_s([ROW, alone]) == pytest.approx(1 / 357)
    assert report.token_s([ROW]) == report.TOKEN_S
    assert report.token_s([{"tok_s_1": 31.9, "log": {}}]) == report.TOKEN_S  # eager: says nothing of the kernels


def test_failures_are_told_with_their_reason() -> None:
    failed = {
        "name": "12-guide",
        "ok": False,
        "stage": "load",
        "failure": "vllm ended with 1",
        "errors": ["out of memory"],
        "log": {},
    }
    told = report.text([failed])
    assert "failed: load" in told
    assert "12-guide: vllm ended with 1\n  out of memory" in told


def test_a_table_without_rich_has_the_same_words() -> None:
    told = table.plain("t", ["case", "n"], [["a", "1"], ["longer", "2"]])
    assert told.splitlines() == ["t", "case    n", "a       1", "longer  2"]
