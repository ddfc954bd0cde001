"""Which engine, which card, and who keeps the server running."""

from __future__ import annotations

from typing import Any

import pytest

from plan import engine, plan, platform
from plan.machine import Machine
from plan.settings import Settings
from tests.unit.machines import GALLERY, H200, RTX_4060_8, RTX_4090, changed, finished, machine, planned

EXPECTED = {
    "no GPU": ("cpu", "native", "systemd"),
    "container, RTX 4090": ("cuda", "native", "supervisord"),
    "wsl without systemd, RTX 4090": ("cuda", "wsl", "wsl-restart"),
}


@pytest.mark.parametrize("name", GALLERY)
def test_gallery(name: str) -> None:
    made = plan.make(GALLERY[name], Settings())
    assert (made.engine, made.kind, made.supervisor) == EXPECTED.get(
        name, ("cuda", "wsl" if name.startswith("wsl") else "native", "systemd")
    )
    assert made.model is not None
    assert made.model.name == ("SmolLM2-135M-Instruct" if made.engine == "cpu" else "openai/gpt-oss-20b")


def test_the_reason_for_cpu_says_that_it_is_not_gpt_oss() -> None:
    made = plan.make(machine(), Settings())
    assert (
        made.reasons[0].text
        == "This machine has no NVIDIA GPU: vLLM for CPU serves a small model, which is not gpt-oss-20b."
    )
    assert [note.code for note in made.notes] == ["NOT-GPT-OSS"]


def test_the_card_with_the_most_free_memory_serves() -> None:
    seen = machine(RTX_4060_8, {**H200, "index": 1, "memory_free_mib": 9000}, {**RTX_4090, "index": 2})
    best = engine.best_gpu(seen)
    assert best is not None and best.index == 2
    made = planned(seen)
    assert made.serve is not None and made.serve.environment["CUDA_VISIBLE_DEVICES"] == "2"


def test_equal_cards_take_the_lowest_index_and_one_card_needs_no_choice() -> None:
    both = planned(GALLERY["native 24.04, two RTX 4090"])
    one = planned(GALLERY["wsl 24.04, RTX 4090"])
    assert both.serve is not None and one.serve is not None
    assert both.serve.environment["CUDA_VISIBLE_DEVICES"] == "0"
    assert "CUDA_VISIBLE_DEVICES" not in one.serve.environment


def running(done: Machine, supervisor: str, free_mib: int, **releases: Any) -> Machine:
    """A finished machine whose server runs and holds its first card."""
    cards = [card.model_dump() for card in done.gpu.devices]
    cards[0]["memory_free_mib"] = free_mib
    assert bool(done.service.supervised) == (supervisor == "supervisord")
    seen = changed(done, "gpu", devices=cards)
    return changed(seen, "releases", **releases) if releases else seen


def spec(seen: Machine) -> str:
    """The digest of the planned start."""
    made = plan.make(seen, Settings())
    assert made.refusals == [] and made.serve is not None
    return made.serve.spec


@pytest.mark.parametrize("name", ["wsl 24.04, RTX 5090", "container, RTX 4090", "native 24.04, 8 GiB"])
def test_a_second_run_is_planned_as_if_its_own_server_did_not_run(name: str) -> None:
    done = finished(GALLERY[name])
    supervisor = plan.make(done, Settings()).supervisor
    assert spec(running(done, supervisor, 1500)) == spec(done)


def test_a_second_run_keeps_its_card_of_two_though_the_server_fills_it() -> None:
    done = finished(GALLERY["native 24.04, two RTX 4090"])
    assert spec(running(done, "systemd", 1500)) == spec(done)


def test_a_server_of_ours_whose_record_was_lost_is_no_reason_to_refuse() -> None:
    done = finished(GALLERY["wsl 24.04, RTX 4090"])
    assert plan.make(running(done, "systemd", 1500, start=None), Settings()).refusals == []


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (machine(wsl=2), "systemd"),
        (machine(wsl=2, systemd=False), "wsl-restart"),
        (machine(systemd=False), "supervisord"),
        (machine(wsl=1, systemd=False), "supervisord"),
    ],
)
def test_supervisor(seen: Machine, expected: str) -> None:
    assert platform.supervisor(seen) == expected
