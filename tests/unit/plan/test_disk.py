"""What still has to be written, in numbers."""

from __future__ import annotations

import pytest

from plan import disk, plan
from plan.machine import Machine
from plan.settings import Settings
from tests.unit.machines import LOCK, RTX_4090, changed, finished, machine, resolved

DIRECTORY = "/home/ops/.local/share/vllm-workstation/models/openai--gpt-oss-20b-6cee5e81ee83"
MODEL = 13_790_000_000 / (1 << 30)


def parts(seen: Machine, **options: bool) -> dict[str, float]:
    """The sizes in GiB for the planned model."""
    model = plan.make(seen, Settings()).model
    assert model is not None and model.directory == DIRECTORY
    return disk.needed(seen, model, 12.0, options.get("there", False), options.get("toolkit", True))


def test_everything_is_missing() -> None:
    assert parts(machine(RTX_4090)) == {"vLLM and PyTorch": 12.0, "model": pytest.approx(MODEL), "CUDA toolkit": 8.0}


def test_what_is_there_is_not_counted() -> None:
    partly = changed(
        machine(RTX_4090),
        "weights",
        **{
            DIRECTORY: {
                "files": {"a": {"size": 4_000_000_000, "mtime_ns": 1}, "b": {"size": 790_000_000, "mtime_ns": 1}}
            }
        },
    )
    assert parts(partly, there=True, toolkit=False) == {"model": pytest.approx(9_000_000_000 / (1 << 30))}
    more = changed(
        machine(RTX_4090), "weights", **{DIRECTORY: {"files": {"a": {"size": 20_000_000_000, "mtime_ns": 1}}}}
    )
    assert parts(more)["model"] == 0.0
    assert parts(finished(machine(RTX_4090)), there=True, toolkit=False) == {}


@pytest.mark.parametrize(("free", "refused"), [(33.0, True), (33.84, True), (33.85, False), (None, False)])
def test_the_border_is_the_sum_and_one_spare(free: float | None, refused: bool) -> None:
    made = plan.make(machine(RTX_4090, disk_gib=free), Settings())
    assert [r.code for r in made.refusals] == (["DISK"] if refused else [])


def test_the_sentence_has_the_numbers() -> None:
    (refusal,) = plan.make(machine(RTX_4090, disk_gib=20), Settings()).refusals
    assert refusal.message == (
        "/home/ops/.local/share/vllm-workstation has 20.0 GiB free, and 33.8 GiB are needed "
        "(vLLM and PyTorch 12.0 + model 12.8 + CUDA toolkit 8.0 + 1 spare)."
    )


def test_a_finished_machine_needs_no_space() -> None:
    done = finished(machine(RTX_4090))
    full = changed(done, "system", disk={"free_bytes": 1})
    assert plan.make(full, Settings()).refusals == []


def test_a_release_that_is_not_complete_is_counted() -> None:
    before = changed(resolved(machine(RTX_4090)), "system", disk={"free_bytes": 5 << 30})
    half = changed(before, "releases", releases={LOCK: {"python_works": True, "complete": None}})
    assert "vLLM and PyTorch 12.0" in plan.make(half, Settings()).refusals[0].message
