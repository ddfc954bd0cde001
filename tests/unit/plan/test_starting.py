"""A server that systemd is starting as planned is not stopped: it is waited for."""

from __future__ import annotations

import pytest

from plan import plan
from plan.converged import starting
from plan.machine import Machine
from plan.settings import Settings
from tests.unit.machines import RTX_4090, changed, finished, machine

CASES = [
    ({"active": "activating", "sub": "start-post"}, True),
    ({"active": "activating", "sub": "start-pre", "spec": None, "started": None}, True),
    ({"active": "activating", "sub": "auto-restart", "spec": None}, False),  # it has died and will be tried again
    ({"active": "activating", "sub": "start-post", "spec": "another"}, False),
    ({"active": "activating", "sub": "start-post", "started": "another"}, False),
    ({"active": "active", "sub": "running"}, False),
    ({"active": "failed", "sub": "failed"}, False),
]


def unit(**fields: object) -> Machine:
    done = finished(machine(RTX_4090))
    assert done.service.unit is not None
    return changed(done, "service", unit={**done.service.unit.model_dump(), **fields})


@pytest.mark.parametrize(("fields", "expected"), CASES)
def test_starting(fields: dict[str, object], expected: bool) -> None:
    seen = unit(**fields)
    assert starting(seen, Settings(), plan.make(seen, Settings())) is expected


def test_without_systemd_nothing_is_known() -> None:
    seen = changed(finished(machine(RTX_4090)), "service", unit=None)
    assert not starting(seen, Settings(), plan.make(seen, Settings()))
