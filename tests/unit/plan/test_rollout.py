"""Waves of a lab, and when nothing follows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plan.rollout import Ended, stopped, waves

LAB = {"a": ["lab"], "b": ["lab", "first"], "c": ["lab"], "d": ["servers"], "e": ["servers", "first"]}
CASES = [
    (0, 0, [["a", "b", "c", "d", "e"]]),
    (1, 0, [["a"], ["b", "c", "d", "e"]]),
    (2, 2, [["a", "b"], ["c", "d"], ["e"]]),
    ("first", 0, [["b", "e"], ["a", "c", "d"]]),
    ("first", 1, [["b", "e"], ["a"], ["c"], ["d"]]),
    (0, 3, [["a", "b", "c"], ["d", "e"]]),
    (9, 2, [["a", "b", "c", "d", "e"]]),
]


@pytest.mark.parametrize(("canary", "wave", "expected"), CASES)
def test_waves(canary: int | str, wave: int, expected: list[list[str]]) -> None:
    assert waves(LAB, canary, wave) == (expected, bool(canary))


@given(st.lists(st.text(min_size=1, max_size=3), unique=True, max_size=40), st.integers(0, 50), st.integers(0, 50))
def test_every_host_is_in_one_wave(names: list[str], canary: int, wave: int) -> None:
    found = waves({name: [] for name in names}, canary, wave).waves
    assert [name for part in found for name in part] == names and all(found)
    assert all(len(part) <= wave for part in found[1:] if wave)


def test_a_group_without_hosts_makes_no_canaries() -> None:
    """A run for some of the lab: its first wave is one as any other."""
    assert waves(LAB, "away", 2) == ([["a", "b"], ["c", "d"], ["e"]], False)


STOPS: list[tuple[dict[str, Ended], bool, float, str | None]] = [
    ({"a": "well"}, True, 0.34, None),
    ({"a": "failed", "b": "well"}, True, 1.0, "the canary a failed"),
    ({"a": "unreachable"}, True, 0.34, "no canary could be reached"),
    ({"a": "unreachable", "b": "well"}, True, 0.0, None),
    ({"a": "failed", "b": "well", "c": "well"}, False, 0.34, None),
    ({"a": "failed", "b": "well"}, False, 0.34, "1 of 2 hosts failed, more than max_failed = 0.34"),
    ({"a": "failed", "b": "well", "c": "unreachable"}, False, 0.5, None),
    ({"a": "failed"}, False, 1.0, None),
    ({"a": "failed"}, False, 0.0, "1 of 1 hosts failed, more than max_failed = 0"),
    ({"a": "unreachable", "b": "unreachable"}, False, 0.0, None),
    ({}, False, 0.0, None),
]


@pytest.mark.parametrize(("wave", "canaries", "share", "reason"), STOPS)
def test_stops(wave: dict[str, Ended], canaries: bool, share: float, reason: str | None) -> None:
    assert stopped(wave, canaries, share) == reason
