"""Fixtures of the host tests: one lab a session, hosts that go away after each test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from .lab import GpuChoice, Host, Lab, missing

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
if WORKER:  # the first has the lab's own names
    os.environ.setdefault("LAB_DIR", f"/var/tmp/vllm-workstation-lab-{WORKER}")
    os.environ.setdefault("LAB_TAG", f"vwlab{WORKER}")
    os.environ.setdefault("LAB_NET", f"10.77.{WORKER}")

MakeHost = Callable[..., Host]


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A running lab; skipped, with the reason, where none can run."""
    if reason := missing():
        pytest.skip(reason)
    running = Lab.start()
    running.reset()
    yield running
    running.stop()


@pytest.fixture
def host(lab: Lab) -> Iterator[MakeHost]:
    """Makes hosts (see Lab.host); they are destroyed after the test, rules and faults restored."""
    made: list[Host] = []

    def make(
        flavour: str = "debian-12",
        gpu: GpuChoice = None,
        layer: str | None = None,
        memory_mib: int | None = None,
        name: str = "",
    ) -> Host:
        name = name or f"t{len(made) + 1}"
        lab.destroy(name)
        made.append(lab.host(name, flavour, gpu, layer, memory_mib))
        return made[-1]

    with lab.rules():
        yield make
    for each in made:
        each.destroy()
