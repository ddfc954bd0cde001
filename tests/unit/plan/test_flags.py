"""Every option that is rendered is one of that release's own: tests/data/flags, dumped from the real parsers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from packaging.version import Version

from plan import release, serve
from plan.machine import Machine
from plan.settings import Settings
from plan.toml import table
from tests.unit.machines import GALLERY, planned
from tests.unit.recorded import DATA

LISTS: dict[str, dict[str, Any]] = {
    path.stem.removeprefix("flags-"): json.loads(path.read_text())["options"]
    for path in (DATA / "flags").glob("*.json")
}
WISHES = Settings(
    gpu_memory_utilization=0.5,
    max_model_len=4096,
    max_num_seqs=2,
    max_num_batched_tokens=512,
    async_scheduling=False,
    reasoning_effort="low",
    served_model_name="m",
    host="0.0.0.0",
)
VERSIONS = sorted(LISTS, key=lambda version: Version(version))
SETTINGS = {"defaults": Settings(), "all": WISHES, "async on": Settings(async_scheduling=True)}
EVERYTHING: dict[str, Any] = {
    "host": "h",
    "port": 1,
    "served_model_name": "n",
    "gpu_memory_utilization": 0.5,
    "max_model_len": 1,
    "max_num_seqs": 1,
    "max_num_batched_tokens": 1,
    "enforce_eager": True,
    "async_scheduling": False,
    "middleware": "a.B",
    "kv_cache_memory_bytes": 1,
    "compilation_config": "{}",
    "attention_backend": "TRITON_ATTN",
    "moe_backend": "marlin",
    "cpu_offload_gb": 1.0,
    "cpu_offload_params": ["experts"],
}


def options(version: Version) -> dict[str, dict[str, Any]]:
    """`{--flag: option}` of a release."""
    return {flag: option for option in LISTS[version.base_version].values() for flag in option["flags"]}


def check(version: Version, arguments: list[str]) -> None:
    """Every flag is known, with as many values as it takes, each among its choices."""
    known = options(version)
    assert arguments[0] == "serve" and not arguments[1].startswith("-")
    at = 2
    while at < len(arguments):
        flag = arguments[at]
        assert flag in known, f"{flag} is no option of {version}"
        values = []
        at += 1
        while at < len(arguments) and not arguments[at].startswith("--"):
            values.append(arguments[at])
            at += 1
        option = known[flag]
        assert not option["deprecated"]
        assert {None: len(values) == 1, 0: not values, "+": len(values) >= 1}.get(option["nargs"], True), (
            f"{flag} {values}"
        )
        assert not option["choices"] or not [value for value in values if value not in option["choices"]]


def test_every_release_of_the_catalogue_has_its_list() -> None:
    assert {row.version.base_version for row in release.catalogue()} == set(LISTS)


PAIRS = [
    (name, row.name)
    for name, seen in GALLERY.items()
    for row in release.catalogue()
    if row.engine == ("cpu" if name == "no GPU" else "cuda")
]


@pytest.mark.parametrize("wishes", SETTINGS)
@pytest.mark.parametrize(("name", "row"), PAIRS)
def test_rendered_flags(name: str, row: str, wishes: str) -> None:
    seen: Machine = GALLERY[name]
    picked = next(r for r in release.catalogue() if r.name == row)
    model = planned(seen).model
    assert model is not None
    card = None if picked.engine == "cpu" else seen.gpu.devices[0]
    made = serve.render(seen, SETTINGS[wishes], picked, "0" * 16, model, card)
    assert isinstance(made, serve.Serve)
    check(picked.version, made.arguments)


@pytest.mark.parametrize("version", VERSIONS)
def test_since_and_until_of_each_option_agree_with_the_lists(version: str) -> None:
    known = options(Version(version))
    for row in table("flags")["option"]:
        here = Version(row.get("since", "0")) <= Version(version) < Version(row.get("until", "999"))
        if "flag" in row:
            assert (row["flag"] in known) or not here
            assert "off" not in row or not here or row["off"] in known


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_left_out_is_said(version: str) -> None:
    arguments, environment, missing = serve.options(Version(version), EVERYTHING)
    check(Version(version), ["serve", "m", *arguments])
    told = {word for word in arguments if word.startswith("--")} | set(environment)
    assert len(told) + len(missing) == len(EVERYTHING)
    absent = {"0.10.1": ["compilation_config", "cpu_offload_params", "kv_cache_memory_bytes", "moe_backend"]}
    assert missing == absent.get(version, [])


def test_the_attention_backend_was_a_variable_once() -> None:
    assert serve.options(Version("0.10.1"), {"attention_backend": "TRITON_ATTN"}) == (
        [],
        {"VLLM_ATTENTION_BACKEND": "TRITON_ATTN_VLLM_V1"},
        [],
    )
    assert serve.options(Version("0.12.0"), {"attention_backend": "TRITON_ATTN"})[1] == {
        "VLLM_ATTENTION_BACKEND": "TRITON_ATTN_VLLM_V1"
    }
    assert serve.options(Version("0.13.0"), {"attention_backend": "TRITON_ATTN"}) == (
        ["--attention-backend", "TRITON_ATTN"],
        {},
        [],
    )
