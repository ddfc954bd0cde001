"""When it is tried how much host memory can be pinned."""

from __future__ import annotations

from typing import Any

import pytest

from plan import plan
from plan.settings import Settings
from tests.unit.machines import RTX_4060_8, RTX_4070_12, RTX_4090, changed, machine

WSL = machine(RTX_4070_12, wsl=2, ram_gib=32)


def wanted(pinned: dict[str, Any] | None) -> int | None:
    """MiB to try on a 12 GB card in WSL, after this record."""
    return plan.make(changed(WSL, "releases", pinned=pinned), Settings()).pin_probe_mib


def test_only_where_something_is_pinned() -> None:
    assert plan.make(machine(RTX_4090), Settings()).pin_probe_mib is None
    first = wanted(None)
    assert first is not None and 2048 < first < 16384


@pytest.mark.parametrize(
    ("record", "again"),
    [
        ({"mib": 12288, "asked_mib": 12288, "total_mib": 32768}, False),
        ({"mib": 12288, "asked_mib": 12288, "total_mib": 16384}, True),
        ({"mib": 12288, "asked_mib": 12288, "total_mib": 32768, "kernel": "another"}, True),
        ({"mib": 1024, "asked_mib": 1024, "total_mib": 32768}, True),
        ({"mib": 5000, "asked_mib": 12288, "total_mib": 32768}, False),
        ({"mib": None, "asked_mib": 12288, "total_mib": 32768, "error": "no libcuda.so.1"}, False),
    ],
)
def test_again_where_more_is_needed_or_the_machine_is_another(record: dict[str, Any], again: bool) -> None:
    made = plan.make(changed(WSL, "releases", pinned=record), Settings())
    assert made.refusals == []
    assert (made.pin_probe_mib is not None) == again


def test_it_is_tried_before_it_is_refused() -> None:
    """Half of WSL's memory is a guess: a machine that may do is not refused by it."""
    seen = machine({**RTX_4060_8, "memory_free_mib": 7373}, wsl=2, ram_gib=15)
    made = plan.make(seen, Settings())
    assert made.refusals == [] and made.pin_probe_mib is not None
