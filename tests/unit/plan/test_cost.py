"""What a run would download, in figures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plan import cost, plan, tools
from plan.cost import TOOLS_BYTES, Cost
from plan.machine import Machine, Venv
from plan.settings import Settings
from tests.unit.machines import RTX_4090, changed, finished, machine, resolved

BARE = machine(RTX_4090)
DIGEST = "0123456789abcdef"
TOOLS = Venv(python_works=True, python="3.12.3", complete={"digest": DIGEST}, distributions=dict.fromkeys(tools.NEEDED, "1"))
DONE = changed(finished(BARE), "releases", tools=TOOLS.model_dump())


def told(seen: Machine, **settings: object) -> Cost:
    return cost.of(seen, plan.make(seen, Settings(**settings)), DIGEST)  # type: ignore[arg-type]


def test_a_bare_machine_needs_everything() -> None:
    model = plan.make(BARE, Settings()).model
    assert model is not None and model.files is not None
    parts = told(resolved(BARE, release="0.32.0")).parts
    assert parts == {
        "tools": TOOLS_BYTES, "vLLM": 3_976_927_384, "model": sum(size for size, _ in model.files.values()), "CUDA toolkit": None,
        "Debian packages": None,
    }  # fmt: skip
    assert 13.7e9 < sum(size for size, _ in model.files.values()) < 13.9e9
    assert told(resolved(BARE)).parts["vLLM"] is None, "the ordered pin's index could not be asked"


def test_a_machine_that_serves_needs_nothing() -> None:
    assert told(DONE).parts == {} and cost.text(told(DONE)) == "would download nothing"


def test_what_lies_there_is_not_counted() -> None:
    model = plan.make(BARE, Settings()).model
    assert model is not None
    half = changed(
        resolved(BARE),
        "weights",
        **{model.directory: {"files": {"a": {"size": 10**10, "mtime_ns": 1}}, "partial_bytes": 10**9}},
    )
    assert told(half).parts["model"] == pytest.approx(2.79e9, rel=0.02)
    assert "model" not in told(BARE, model="/data/x").parts
    assert told(BARE, model="someone/else").parts["model"] is None
    assert "CUDA toolkit" not in told(BARE, cuda_version="none").parts


def test_before_the_resolver_was_asked_the_first_known_size_is_told() -> None:
    found = told(BARE)
    assert found.parts["vLLM"] is not None and found.guess is not None
    assert f"vLLM (if {found.guess}) {found.parts['vLLM'] / 1e9:.2f}" in cost.text(found)
    after = told(resolved(BARE, release=found.guess))
    assert after.guess is None and set(found.parts) - set(after.parts) == {"index"}


def test_the_small_model_is_told_as_the_wheel_that_it_comes_in() -> None:
    assert told(machine()).parts["model"] == 92_871_040


def test_apt_tells_what_it_would_fetch() -> None:
    seen = changed(resolved(BARE, release="0.32.0"), "packages", installed={})
    made = plan.make(seen, Settings())
    assert cost.choices(seen, made) == {}, "apt without lists knows nothing"
    ready = changed(seen, "apt", lists=True, cuda_lists=True)
    asked = cost.choices(ready, made)
    assert "build-essential" in asked["Debian packages"].split()
    assert asked["CUDA toolkit"].startswith("cuda-toolkit-13-0;cuda-toolkit-13-1")
    found = cost.of(ready, made, DIGEST, {"Debian packages": 5, "CUDA toolkit": 7})
    assert (found.parts["Debian packages"], found.parts["CUDA toolkit"]) == (5, 7) and not found.unknown
    assert cost.choices(DONE, plan.make(DONE, Settings())) == {}


def test_some_steps_need_only_their_part() -> None:
    found = cost.only(told(BARE), ["model"])
    assert set(found.parts) == {"model"} and cost.only(told(BARE), []).parts == {}


def test_a_cache_fetches_once() -> None:
    def one(cache: str, model: str = "m 1") -> Cost:
        return Cost(parts={"model": 10**9, "vLLM": None}, names={"model": model, "vLLM": "v"}, cache=cache)

    assert cost.outside([one("c"), one("c"), one("c", "n 1"), one("d"), one(""), one("")]) == 5 * 10**9
    assert "2.00 GB and the vLLM for 2 of 2 machines, at most 1.00 GB and the vLLM of it from outside" in cost.lab([one("c"), one("c")])
    assert "outside" not in cost.lab([one(""), one("")])


def test_a_refused_machine_downloads_nothing() -> None:
    assert told(machine(wsl=1)).parts == {}


TEXTS = [
    (Cost(), "would download nothing"),
    (Cost(parts={"vLLM": 4_240_000_000, "model": 13_800_000_000}, rate=21e6),
     "would download 18.04 GB (vLLM 4.24, model 13.80), about 14 min at the 21.0 MB/s measured now"),
    (Cost(parts={"vLLM": None, "model": 10**9, "CUDA toolkit": None}),
     "would download 1.00 GB (model 1.00) and the vLLM and the CUDA toolkit (size not known yet), at a rate that could not be measured"),
    (Cost(parts={"CUDA toolkit": None}), "would download the CUDA toolkit (size not known yet)"),
    (Cost(parts={"tools": 10**7}, rate=1e9), "would download 0.01 GB (tools 0.01), about 1 min at the 1000.0 MB/s measured now"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "text"), TEXTS)
def test_text(one: Cost, text: str) -> None:
    assert cost.text(one) == text


def test_a_lab() -> None:
    costs = [
        Cost(parts={"model": 6 * 10**9, "CUDA toolkit": None}, rate=1e8),
        Cost(parts={"model": 6 * 10**9}, rate=1e7),
        Cost(),
    ]
    assert cost.lab(costs) == "in all: 12.00 GB and the CUDA toolkit for 2 of 3 machines, about 10 min for the slowest"
    unmeasured = [*costs, costs[0].model_copy(update={"rate": None})]
    assert cost.lab(unmeasured).endswith("min for the slowest whose rate could be measured")
    assert cost.lab([Cost(), Cost()]) == "in all: 0.00 GB for 0 of 2 machines"


@given(
    st.dictionaries(st.sampled_from(["vLLM", "model", "tools"]), st.one_of(st.none(), st.integers(0, 10**12))),
    st.one_of(st.none(), st.floats(1, 1e10)),
)
def test_never_less_than_nothing(parts: dict[str, int | None], rate: float | None) -> None:
    one = Cost(parts=parts, rate=rate)
    assert one.known >= 0 and cost.text(one) and cost.lab([one, one])
    assert cost.lab([one, one]).startswith(f"in all: {2 * one.known / 1e9:.2f} GB")


def test_a_sample_is_the_largest_file() -> None:
    url = cost.sample(plan.make(BARE, Settings()).model)
    assert (
        url is not None
        and url.startswith("https://huggingface.co/openai/gpt-oss-20b/resolve/")
        and url.endswith(".safetensors")
    )
    assert cost.sample(plan.make(BARE, Settings(model="/data/x")).model) is None


GONE = ["tools", "vLLM", "model", "CUDA toolkit"]


@given(st.sets(st.sampled_from(GONE)))
def test_what_more_is_missing_never_costs_less(lost: set[str]) -> None:
    """From a machine that serves: each part that is taken away is told, and nothing else is."""
    seen = DONE
    if "tools" in lost:
        seen = changed(seen, "releases", tools=None)
    if "vLLM" in lost:
        seen = changed(seen, "releases", releases={})
    if "model" in lost:
        seen = changed(seen, "weights")
    if "CUDA toolkit" in lost:
        seen = changed(seen, "toolkit", installed={}, current=None)
    assert set(told(seen).parts) == lost
