"""What a card is given: never more than it has, and never less where it has more."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plan import memory
from plan.evidence import Refusal
from plan.machine import Machine
from plan.memory import Profile
from plan.toml import table
from tests.unit.machines import RTX_4060_8, RTX_4070_12, RTX_4090, RTX_5060TI_16, RTX_5090, card, changed, machine

WEIGHTS_GIB = 13_761_316_904 / (1 << 30)  # the three shards (tests/data/recorded/FACTS.md)
# card: (free_gib of its profile, context, sequences, GiB of experts in host memory)
PROFILES = [
    (RTX_5090, (21.0, 131072, 16, 0.0)),
    (RTX_4090, (21.0, 131072, 16, 0.0)),
    (RTX_5060TI_16, (15.0, 8192, 8, 0.0)),
    (RTX_4070_12, (11.4, 8192, 8, 4.0)),
    ({**RTX_4070_12, "memory_free_mib": 10_500}, (10.0, 8192, 4, 5.5)),
    (RTX_4060_8, (7.4, 8192, 4, 8.5)),
]


def planned(total_mib: int, free_mib: int, wsl: int, ram_gib: float = 256) -> tuple[Machine, Profile | Refusal]:
    """The profile for a card."""
    seen = machine(card("X", total_mib, free_mib, "8.9"), wsl=wsl, ram_gib=ram_gib)
    return seen, memory.profile(seen, seen.gpu.devices[0])


@pytest.mark.parametrize(("seen", "expected"), PROFILES)
def test_profiles(seen: dict[str, object], expected: tuple[float, int, int, float]) -> None:
    there = machine(seen)
    found = memory.profile(there, there.gpu.devices[0])
    assert isinstance(found, Profile)
    assert (found.free_gib, found.max_model_len, found.max_num_seqs, found.offload_gib) == expected


@given(total=st.integers(7_000, 150_000), share=st.floats(0.05, 1.0), wsl=st.sampled_from([0, 2]))
def test_never_more_than_is_free(total: int, share: float, wsl: int) -> None:
    seen, found = planned(total, int(total * share), wsl)
    if isinstance(found, Refusal):
        assert total * share / 1024 < 7.4 + 0.001
        return
    free = int(total * share) / 1024
    assert found.free_gib <= free
    assert WEIGHTS_GIB - found.offload_gib + (found.kv_mib or 0) / 1024 <= free
    assert memory.utilization(seen, seen.gpu.devices[0]) * total / 1024 <= free
    assert 0 < memory.utilization(seen, seen.gpu.devices[0]) <= 1


@given(
    total=st.integers(7_000, 150_000),
    less=st.floats(0.05, 1.0),
    more=st.floats(0.05, 1.0),
    wsl=st.sampled_from([0, 2]),
    ram=st.sampled_from([8, 16, 32, 64]),
)
def test_more_memory_is_never_refused_where_less_was_not(
    total: int, less: float, more: float, wsl: int, ram: int
) -> None:
    less, more = sorted((less, more))
    small, large = planned(total, int(total * less), wsl, ram)[1], planned(total, int(total * more), wsl, ram)[1]
    if isinstance(small, Refusal):
        return
    assert isinstance(large, Profile)
    assert (large.max_model_len, large.max_num_seqs, -large.offload_gib) >= (
        small.max_model_len,
        small.max_num_seqs,
        -small.offload_gib,
    )


@pytest.mark.parametrize(("wsl", "expected"), [(2, 0.92), (0, 0.92)])
def test_an_idle_large_card_gets_at_most_092(wsl: int, expected: float) -> None:
    seen = machine(card("X", 32768, 32768), wsl=wsl)
    assert memory.utilization(seen, seen.gpu.devices[0]) == expected


@pytest.mark.parametrize(("wsl", "expected"), [(2, 0.79), (0, 0.8)])
def test_the_reserve(wsl: int, expected: float) -> None:
    seen = machine(card("X", 16384, 13517), wsl=wsl)  # 13.2 of 16 GiB: less 0.5 is 0.79375, less 0.4 is 0.80
    assert memory.utilization(seen, seen.gpu.devices[0]) == expected


OURS = {"unit": {"load": "loaded", "active": "active", "spec": "abc"}}
SUPERVISED = {"supervised": {"pid": 3, "spec": "abc"}}
NOBODYS = {"unit": {"load": "loaded", "active": "active", "spec": None}}
THEN = {"name": "X", "total_mib": 24576, "free_mib": 23000}
# (free now, service, card of the recorded start, free to plan with)
FREE: list[tuple[int, dict[str, Any], dict[str, Any] | None, int]] = [
    (900, OURS, THEN, 23000),
    (900, SUPERVISED, THEN, 23000),
    (900, NOBODYS, THEN, 900),
    (900, {}, THEN, 900),
    (22701, {}, THEN, 23000),
    (23299, {}, THEN, 23000),
    (22700, {}, THEN, 22700),
    (23300, {}, THEN, 23300),
    (23100, {}, None, 23100),
    (900, OURS, {**THEN, "name": "Y"}, 900),
    (900, OURS, {**THEN, "total_mib": 1}, 900),
]


@pytest.mark.parametrize(("now", "running", "then", "expected"), FREE)
def test_free_memory_to_plan_with(
    now: int, running: dict[str, Any], then: dict[str, Any] | None, expected: int
) -> None:
    seen = changed(machine(card("X", 24576, now)), "service", **running)
    seen = changed(seen, "releases", start={"card": then})
    assert memory.free_gib(seen, seen.gpu.devices[0]) == expected / 1024


def test_without_a_recorded_start_what_is_free_counts() -> None:
    seen = machine(card("X", 24576, 23100))
    starts: list[dict[str, Any] | None] = [None, {}]
    for start in starts:
        assert memory.free_gib(changed(seen, "releases", start=start), seen.gpu.devices[0]) == 23100 / 1024


@pytest.mark.parametrize(
    ("wsl", "ram", "refused"), [(0, 20.1, True), (0, 20.3, False), (2, 32.2, True), (2, 32.4, False)]
)
def test_pinned_memory_for_the_experts(wsl: int, ram: float, refused: bool) -> None:
    found = planned(8188, 7788, wsl, ram)[1]  # 8.5 GiB, 16.15 with rounding; 80 % natively, 50 % in WSL
    assert isinstance(found, Refusal) == refused


def test_rows_are_in_order_and_small_cards_are_given_less() -> None:
    rows = [Profile.model_validate(row) for row in table("profiles")["profile"]]
    assert [row.free_gib for row in rows] == sorted((row.free_gib for row in rows), reverse=True)
    for row in rows:
        assert max(row.graphs) == row.max_num_seqs
        assert row.max_num_batched_tokens >= row.max_num_seqs
