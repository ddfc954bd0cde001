"""A start that ran out of memory makes the next plan smaller in the right place; one that answered keeps its plan."""

from __future__ import annotations

from typing import Any

import pytest

from plan import card as cards
from plan import fitting, learnt
from plan.evidence import Refusal
from plan.fit import Fitting
from plan.machine import Machine
from plan.model import Model
from plan.release import Release, catalogue
from plan.serve import _card
from plan.settings import Settings
from tests.unit.machines import RTX_4060_8, RTX_4070_12, RTX_4090, RTX_5060TI_16, changed, machine

RELEASE = next(release for release in catalogue() if release.plugin)
MODEL = Model(name="openai/gpt-oss-20b", kind="hub", revision="r", directory="/m")
SETTINGS = Settings()


def fitted(seen: Machine, settings: Settings = SETTINGS, release: Release = RELEASE) -> Fitting:
    """The fit of the one card, which must be there."""
    found = fitting.best(seen, settings, seen.gpu.devices[0], MODEL, release)
    assert isinstance(found, Fitting), found
    return found


def told(seen: Machine, found: Fitting) -> dict[str, Any]:
    """What plan.json remembers of the card."""
    from plan.candidates import Candidate

    return _card(seen, seen.gpu.devices[0], Candidate(release=RELEASE, python="3.12", why="", fitting=found))


def failed(seen: Machine, found: Fitting, stage: str, short: int | None = None, spec: str = "s") -> dict[str, Any]:
    """One row of outcomes.json."""
    return {"spec": spec, "stage": stage, "short_mib": short, "words": "CUDA out of memory", "card": told(seen, found)}


HOST = machine(RTX_4070_12, ram_gib=64)
HOST_FREE = (HOST.gpu.devices[0].memory_free_mib or 0) / 1024


def after(
    *rows: dict[str, Any], start: dict[str, Any] | None = None, measured: dict[str, Any] | None = None
) -> Machine:
    """The machine after these outcomes."""
    return changed(HOST, "releases", outcomes={"failures": list(rows), "measured": measured}, start=start)


@pytest.mark.parametrize(
    ("stage", "parts"),
    [("profile", ["activations"]), ("kv", ["reserve", "kv"]), ("graphs", ["graphs"]), ("startup", ["context"])],
)
def test_a_failure_makes_its_own_part_larger(stage: str, parts: list[str]) -> None:
    first = fitted(HOST)
    second = fitted(after(failed(HOST, first, stage, 276)))
    assert second.learnt == {part: pytest.approx((276 + 64) / 1024, abs=0.002) for part in parts}
    assert second.fit.kv_bytes < first.fit.kv_bytes or second.fit.offloaded > first.fit.offloaded


@pytest.mark.parametrize("stage", list(learnt.PARTS))
@pytest.mark.parametrize("gpu", [RTX_4070_12, RTX_4060_8, RTX_5060TI_16, RTX_4090])
def test_the_next_plan_is_another_one(stage: str, gpu: dict[str, Any]) -> None:
    """Whatever the failed plan left free at that stage: the same start is not tried twice."""
    seen = machine(gpu, ram_gib=64)
    first = fitted(seen)
    second = fitted(changed(seen, "releases", outcomes={"failures": [failed(seen, first, stage)]}))
    names = ("offloaded", "kv_bytes", "max_model_len", "max_num_batched_tokens", "utilization")
    assert [getattr(second.fit, name) for name in names] != [getattr(first.fit, name) for name in names]


def test_too_much_pinned_memory_makes_the_next_plan_pin_less() -> None:
    first = fitted(HOST)
    second = fitted(after(failed(HOST, first, "pinned")))
    assert second.fit.pinned_gib < first.fit.pinned_gib


def test_an_unknown_shortage_is_a_fixed_step() -> None:
    assert fitted(after(failed(HOST, fitted(HOST), "profile"))).learnt == {
        "activations": pytest.approx(192 / 1024, abs=0.001)
    }


def test_what_is_not_memory_teaches_nothing() -> None:
    assert fitted(after(failed(HOST, fitted(HOST), "other"))).learnt == {}


def test_failures_add_up_and_end() -> None:
    rows: list[dict[str, Any]] = []
    seen = HOST
    sizes = []
    for number in range(learnt.STEPS):
        found = fitted(seen)
        sizes.append(found.fit.offloaded)
        rows.append(failed(seen, found, "profile", 300, str(number)))
        seen = after(*rows)
    assert sizes == sorted(sizes) and sizes[-1] > sizes[0]
    # With our plugin it was tried often enough: without it there is one more way, and then none.
    plain = fitted(seen)
    assert not plain.fit.plugin
    rows += [failed(seen, plain, "profile", 300, f"plain {number}") for number in range(learnt.STEPS)]
    ended = fitting.best(after(*rows), SETTINGS, HOST.gpu.devices[0], MODEL, RELEASE)
    assert isinstance(ended, Refusal) and ended.code == "TRIED"
    assert "4 smaller and smaller plans ran out of memory" in ended.message


def test_more_free_memory_forgets_failures() -> None:
    row = failed(HOST, fitted(HOST), "load", 300)
    row["card"]["free_mib"] -= cards.JITTER_MIB + 1
    assert fitted(after(row)).learnt == {}


def test_another_card_or_release_learns_nothing() -> None:
    for name, value in (("name", "Y"), ("version", "0.32.0"), ("plugin", False), ("total_mib", 1), ("index", 1)):
        row = failed(HOST, fitted(HOST), "load", 300)
        row["card"][name] = value
        assert fitted(after(row)).learnt == {}


def test_a_plan_that_serves_stays() -> None:
    """Also after its own start taught something: the second run changes nothing."""
    first = fitted(HOST)
    start = {"spec": "s", "card": told(HOST, first)}
    measured = {"spec": "s", "card": start["card"], "weights_gib": 11.5, "graphs_gib": 0.5}
    again = fitted(after(start=start, measured=measured))
    assert again == first


def test_another_wish_is_planned_with_what_was_measured() -> None:
    first = fitted(HOST)
    start = {"spec": "s", "card": told(HOST, first)}
    seen = after(
        start=start, measured={"spec": "s", "card": start["card"], "weights_gib": first.fit.tables_gib["weights"] + 0.1}
    )
    wished = Settings(max_num_seqs=2)
    assert fitted(seen, wished).learnt == {"weights": pytest.approx(0.1)}


def test_a_plan_that_failed_does_not_stay() -> None:
    first = fitted(HOST)
    start = {"spec": "s", "card": told(HOST, first)}
    assert fitted(after(failed(HOST, first, "load", 100), start=start)).learnt == {
        "load": pytest.approx(192 / 1024 + HOST_FREE - first.fit.load_peak_gib, abs=0.002)
    }


def freer(seen: Machine, mib: int) -> Machine:
    """The machine with so much more free on its card (less where negative)."""
    gpu = seen.gpu.devices[0]
    changed_gpu = gpu.model_copy(update={"memory_free_mib": (gpu.memory_free_mib or 0) + mib})
    return seen.model_copy(update={"gpu": seen.gpu.model_copy(update={"devices": [changed_gpu]})})


def test_a_game_during_a_start_is_not_learnt() -> None:
    """Somebody takes 3 GiB while the server starts: less is free at the next look, which is all that there is to learn."""
    first = fitted(HOST)
    row = failed(HOST, first, "startup", 2700)
    during = fitted(freer(after(row), -3072))
    assert during.learnt == {}
    start: dict[str, Any] = {"spec": "s2", "card": told(freer(HOST, -3072), during)}
    measured = {"spec": "s2", "card": start["card"], "free_mib": start["card"]["free_mib"] - 520}
    back = fitted(after(start=start, measured=measured))
    assert back.fit.offloaded == first.fit.offloaded
    assert abs(back.learnt.get("context", 0.0)) < 0.05


def test_a_context_that_is_larger_here_is_remembered() -> None:
    """WSL tells more free memory than CUDA finds: after a start that answered, that is known for every other wish."""
    first = fitted(HOST)
    start: dict[str, Any] = {"spec": "s", "card": told(HOST, first)}
    seen = after(
        start=start, measured={"spec": "s", "card": start["card"], "free_mib": start["card"]["free_mib"] - 1400}
    )
    assert fitted(seen).learnt == {}, "what serves stays"
    assert fitted(seen, Settings(max_num_seqs=2)).learnt["context"] == pytest.approx(
        1400 / 1024 - first.fit.tables_gib["context"], abs=0.001
    )


def test_after_going_back_the_old_plan_stays() -> None:
    """Bigger plans failed with more free; what was started again answers and is not planned away."""
    first = fitted(HOST)
    start = {"spec": "s1", "card": told(HOST, first)}
    more = freer(HOST, 400)
    rows = [failed(more, fitted(more), "load", 300, f"big {number}") for number in range(learnt.STEPS)]
    measured = {"spec": "s1", "card": start["card"], "weights_gib": first.fit.tables_gib["weights"]}
    assert fitted(after(*rows, start=start, measured=measured)) == first


def test_pinned_failures_are_forgotten_with_more_host_memory() -> None:
    small = machine(RTX_4070_12, ram_gib=16)
    row = failed(small, fitted(small), "pinned")
    assert fitted(after(row)).fit.pinned_gib == fitted(HOST).fit.pinned_gib
    assert (
        fitted(changed(small, "releases", outcomes={"failures": [row]})).fit.pinned_gib < fitted(small).fit.pinned_gib
    )


@pytest.mark.parametrize(
    "garbage",
    [
        None,
        1,
        "x",
        [],
        {},
        {"card": 3},
        {"card": {"learnt": {"load": "much"}}},
        {"card": {"name": 5, "free_mib": "x"}},
        {"card": {"learnt": {"load": float("nan")}}},
        {"card": {"free_mib": -1}},
    ],
)
def test_records_that_somebody_edited(garbage: Any) -> None:
    """They teach nothing and stop nothing."""
    seen = changed(
        HOST,
        "releases",
        outcomes={"failures": [garbage, garbage], "measured": garbage},
        start={"spec": "s", "card": garbage},
    )
    assert fitted(seen) == fitted(HOST)
    assert fitted(changed(HOST, "releases", outcomes={"failures": garbage})) == fitted(HOST)
