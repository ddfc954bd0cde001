"""What is known of a card before anything is planned on it."""

from __future__ import annotations

from typing import Any

import pytest

from plan import card as cards
from plan.toml import table
from tests.unit.machines import RTX_4090, card, changed, machine

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
    (22937, {}, THEN, 23000),
    (23299, {}, THEN, 23000),
    (22936, {}, THEN, 22936),
    (23300, {}, THEN, 23300),
    (23100, {}, None, 23100),
    (900, OURS, {**THEN, "name": "Y"}, 900),
    (900, OURS, {**THEN, "free_mib": 99000}, 900),
    (900, OURS, {**THEN, "total_mib": 1}, 900),
]


@pytest.mark.parametrize(("now", "running", "then", "expected"), FREE)
def test_free_memory_to_plan_with(
    now: int, running: dict[str, Any], then: dict[str, Any] | None, expected: int
) -> None:
    seen = changed(machine(card("X", 24576, now)), "service", **running)
    seen = changed(seen, "releases", start={"card": then})
    assert cards.free_gib(seen, seen.gpu.devices[0]) == expected / 1024


def test_without_a_recorded_start_what_is_free_counts() -> None:
    seen = machine(card("X", 24576, 23100))
    starts: list[dict[str, Any] | None] = [None, {}]
    for start in starts:
        assert cards.free_gib(changed(seen, "releases", start=start), seen.gpu.devices[0]) == 23100 / 1024


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("NVIDIA GeForce RTX 3060", 360),
        ("NVIDIA GeForce RTX 3060 Ti", 448),
        ("NVIDIA GeForce RTX 4070 Ti SUPER", 672),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", 576),
        ("NVIDIA GeForce RTX 5090", 1792),
        ("NVIDIA H100 PCIe", 2000),
        ("NVIDIA H200", 4300),
        ("NVIDIA L40S", 864),
        ("GeForce Something", None),
        ("NVIDIA RTX A1000 Laptop GPU", None),
    ],
)
def test_the_longest_name_counts(name: str, rate: int | None) -> None:
    assert cards.rates(name).get("gb_s") == rate


def test_every_row_is_found_by_its_own_name() -> None:
    for row in table("gpus")["gpu"]:
        assert cards.rates(f"NVIDIA GeForce {row['name']}") == row


@pytest.mark.parametrize(
    ("generation", "width", "expected"),
    [(5, 16, 52.3), (4, 16, 26.1), (3, 16, 13.1), (4, 8, 13.1), (None, 16, None), (4, None, None), (9, 16, None)],
)
def test_pcie(generation: int | None, width: int | None, expected: float | None) -> None:
    found = cards.pcie_gb_s(generation, width)
    assert found == expected if expected is None else found == pytest.approx(expected, abs=0.1)


PINNED: list[tuple[int, float, dict[str, Any] | None, float, bool]] = [
    (0, 32, None, 30.0, False),
    (2, 32, None, 30.0, False),
    (2, 32, {"mib": 12288, "asked_mib": 12288, "total_mib": 32768}, 16.0, True),
    (2, 32, {"mib": 18432, "asked_mib": 18432, "total_mib": 32768}, 18.0, True),
    (2, 32, {"mib": 1024, "asked_mib": 12288, "total_mib": 32768}, 1.0, True),
    (2, 32, {"mib": 0, "asked_mib": 12288, "total_mib": 32768}, 0.0, True),
    (2, 32, {"mib": 1024, "asked_mib": 12288, "total_mib": 16384}, 30.0, False),
    (2, 32, {"mib": 1024, "asked_mib": 12288, "total_mib": 32700}, 1.0, True),
    (2, 32, {"mib": 1024, "asked_mib": 12288, "total_mib": 32768, "kernel": "another"}, 30.0, False),
    (2, 32, {"mib": "much", "total_mib": 32768}, 30.0, False),
    (2, 32, {"mib": None, "asked_mib": 12288, "total_mib": 32768}, 16.0, True),
]


@pytest.mark.parametrize(("wsl", "ram", "found", "expected", "probed"), PINNED)
def test_pinnable(wsl: int, ram: float, found: dict[str, Any] | None, expected: float, probed: bool) -> None:
    seen = changed(machine(RTX_4090, wsl=wsl, ram_gib=ram), "releases", pinned=found)
    told = cards.of(seen, seen.gpu.devices[0])
    assert told.pinnable_gib == pytest.approx(expected)
    assert told.pin_probed == probed


def test_a_shared_card() -> None:
    idle, used = machine(card("X", 24576, 24176)), machine(card("X", 24576, 22000))
    assert [cards.of(seen, seen.gpu.devices[0]).shared for seen in (idle, used)] == [False, True]
