"""Every fault of tests/host/faults: one run repairs it or names it, the server goes on, a second run changes nothing.

Faults of one batch share a run; FAULTS=each gives every fault a run of its own. `-k NAME` breaks only that.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import groupby

import pytest

from plan.toml import table
from tests.host.faults import Fault, faults, outcome
from tests.host.faults.machines import Machines
from tests.host.faults.outcome import Outcome
from tests.host.lab import Lab

pytestmark = pytest.mark.host
ALL = faults()
EACH = os.environ.get("FAULTS") == "each"


def batch_of(fault: Fault) -> str:
    """The name of the run that a fault belongs to."""
    return f"{fault.group}:{fault.name if EACH else fault.batch}"


BATCHES = {name: list(members) for name, members in groupby(ALL, key=batch_of)}
Repaired = Callable[[str], Outcome]


@pytest.fixture(scope="module")
def repaired(lab: Lab, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repaired]:
    """How the run of a batch ended; each is made once, with those of its faults that were selected."""
    machines = Machines(lab, tmp_path_factory.mktemp("faults"))
    known: dict[str, Outcome] = {}
    asked = {item.callspec.params.get("fault") for item in request.session.items if hasattr(item, "callspec")}

    def ended(name: str) -> Outcome:
        if name not in known:
            members = [fault for fault in BATCHES[name] if fault.name in asked] or BATCHES[name]
            known[name] = outcome.of(machines, members)
        return known[name]

    yield ended
    machines.close()


@pytest.mark.parametrize("fault", [fault.name for fault in ALL])
def test_fault(repaired: Repaired, fault: str) -> None:
    """What the fault's own file says must be true."""
    one = next(each for each in ALL if each.name == fault)
    wrong = repaired(batch_of(one)).faults[fault]
    assert not wrong, f"{one.about}\n" + "\n".join(wrong)


@pytest.mark.parametrize("batch", list(BATCHES))
def test_run(repaired: Repaired, batch: str) -> None:
    """The run that repaired a batch ended well, restarted nothing without need, and the next changes nothing."""
    wrong = repaired(batch).run
    assert not wrong, f"{', '.join(fault.name for fault in BATCHES[batch])}\n" + "\n".join(wrong)


def test_there_are_enough() -> None:
    """The issue asks for forty; none of them may be without a check of its own."""
    assert len(ALL) >= 40 and all(fault.after.strip() not in ("", "true") or fault.says for fault in ALL)


def test_every_repair_is_injected() -> None:
    """Each problem that a run says it mends is made by a fault here."""
    mended = {row["code"] for row in table("problems")["problem"] if row.get("step")}
    assert mended <= {code for fault in ALL for code in fault.codes}
