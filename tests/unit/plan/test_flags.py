"""Every option that is rendered is one of that release's own: tests/data/flags, dumped from the real parsers (dump.py there)."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from packaging.version import Version

from plan import plan, release, serve
from plan.release import Release
from plan.serve import Serve
from plan.settings import Settings
from plan.toml import table
from tests.unit.machines import GALLERY, planned
from tests.unit.recorded import DATA

LISTS: dict[str, dict[str, Any]] = {
    path.stem.removeprefix("flags-"): json.loads(path.read_text()) for path in (DATA / "flags").glob("*.json")
}
VERSIONS = sorted(LISTS, key=lambda version: Version(version))
ASKED = release.asked()
ROWS = [*release.catalogue(), *ASKED]
WISHES: dict[str, Any] = {
    "gpu_memory_utilization": 0.5,
    "max_model_len": 4096,
    "max_num_seqs": 2,
    "max_num_batched_tokens": 512,
    "async_scheduling": False,
    "reasoning_effort": "low",
    "served_model_name": "m",
    "host": "0.0.0.0",
}
SETTINGS: dict[str, dict[str, Any]] = {"defaults": {}, "all": WISHES, "async on": {"async_scheduling": True}}
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
    "compilation_config": '{"mode":0,"cudagraph_mode":"FULL_DECODE_ONLY","cudagraph_capture_sizes":[1,2]}',
    "attention_backend": "TRITON_ATTN",
    "moe_backend": "marlin",
    "cpu_offload_gb": 1.0,
    "cpu_offload_params": ["experts"],
    "offload_backend": "uva",
    "kv_cache_dtype": "fp8",
}
# What a version has no form for; a version stands for those up to the next.
ABSENT = {
    "0.10.1": ["compilation_config", "cpu_offload_params", "kv_cache_memory_bytes", "offload_backend"],
    "0.10.2": ["compilation_config", "cpu_offload_params", "offload_backend"],
    "0.11.1": ["cpu_offload_params", "offload_backend"],
    "0.17.0": [],
}
OURS = "VLLM_WORKSTATION_"


@cache
def options(version: str) -> dict[str, dict[str, Any]]:
    """`{--flag: option}` of a release."""
    return {flag: option for option in LISTS[version]["options"].values() for flag in option["flags"]}


def check(version: Version, arguments: list[str], environment: dict[str, str]) -> None:
    """Every flag is known, with as many values as it takes, each among its choices; so is every variable of vLLM's."""
    known = options(version.base_version)
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
        assert not option["deprecated"], flag
        assert {None: len(values) == 1, 0: not values, "+": len(values) >= 1}[option["nargs"]], f"{flag} {values}"
        assert not option["choices"] or not [value for value in values if value not in option["choices"]], flag
        if flag == "--compilation-config":
            assert not json.loads(values[0]).keys() - set(LISTS[version.base_version]["compilation"])
    read = set(LISTS[version.base_version]["environment"])
    theirs = {name for name in environment if name.startswith("VLLM_") and not name.startswith(OURS)}
    assert not theirs - read, f"{version} reads no {theirs - read}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_release_has_its_list(row: Release) -> None:
    found = LISTS[row.version.base_version]
    assert Version(found["version"]).base_version == row.version.base_version
    assert found["options"] and found["compilation"] and found["environment"]


def test_every_list_has_its_release() -> None:
    assert {row.version.base_version for row in ROWS} == set(LISTS)


def started(name: str, row: str, wishes: dict[str, Any]) -> Serve | None:
    """The start of a release on a machine; None where it does not suit that."""
    settings = Settings.model_validate(wishes | ({"vllm_release": row} if row in {r.name for r in ASKED} else {}))
    if row not in {candidate.release.name for candidate in plan.make(GALLERY[name], settings).candidates}:
        return None
    made = planned(GALLERY[name], settings, row).serve
    assert made is not None
    return made


@pytest.mark.parametrize("wishes", SETTINGS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_rendered_flags(row: Release, wishes: str) -> None:
    starts = {name: started(name, row.name, SETTINGS[wishes]) for name in GALLERY}
    assert any(starts.values()), f"no machine of the gallery takes {row.name}"
    for start in starts.values():
        if start is not None:
            check(row.version, start.arguments, start.environment)


@pytest.mark.parametrize("version", VERSIONS)
def test_since_and_until_of_each_option_agree_with_the_lists(version: str) -> None:
    known = options(version)
    for row in table("flags")["option"]:
        here = Version(row.get("since", "0")) <= Version(version) < Version(row.get("until", "999"))
        if not here:
            continue
        for form in ("flag", "off"):
            assert form not in row or row[form] in known
        assert "env" not in row or row["env"] in LISTS[version]["environment"]


@pytest.mark.parametrize("name", EVERYTHING)
def test_an_option_that_a_release_has_is_not_held_back(name: str) -> None:
    flag = next(row["flag"] for row in table("flags")["option"] if row["name"] == name and "flag" in row)
    for version in VERSIONS:
        if flag in options(version) and (name, version) != ("compilation_config", "0.10.1"):  # `level`, see flags.toml
            assert serve.options(Version(version), {name: EVERYTHING[name]})[0], version


def test_no_version_has_two_forms_of_an_option() -> None:
    for version in [*VERSIONS, "0.10.1.1", "0.10.2", "0.11.0", "0.12.0", "0.13.0", "0.16.0", "0.17.0", "0.17.1"]:
        forms = [
            row["name"]
            for row in table("flags")["option"]
            if Version(row.get("since", "0")) <= Version(version) < Version(row.get("until", "999"))
        ]
        assert len(forms) == len(set(forms))


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_left_out_is_said(version: str) -> None:
    arguments, environment, missing = serve.options(Version(version), EVERYTHING)
    check(Version(version), ["serve", "m", *arguments], environment)
    told = {word for word in arguments if word.startswith("--")} | set(environment)
    assert len(told) + len(missing) == len(EVERYTHING)
    assert missing == ABSENT[max((one for one in ABSENT if Version(one) <= Version(version)), key=Version)]


@pytest.mark.parametrize(
    ("version", "arguments", "environment"),
    [
        ("0.10.1", [], {"VLLM_ATTENTION_BACKEND": "TRITON_ATTN_VLLM_V1"}),
        ("0.10.2", [], {"VLLM_ATTENTION_BACKEND": "TRITON_ATTN_VLLM_V1"}),
        ("0.11.0", [], {"VLLM_ATTENTION_BACKEND": "TRITON_ATTN"}),
        ("0.12.0", [], {"VLLM_ATTENTION_BACKEND": "TRITON_ATTN"}),
        ("0.13.0", ["--attention-backend", "TRITON_ATTN"], {}),
    ],
)
def test_the_attention_backend_was_a_variable_once(
    version: str, arguments: list[str], environment: dict[str, str]
) -> None:
    assert serve.options(Version(version), {"attention_backend": "TRITON_ATTN"}) == (arguments, environment, [])


@pytest.mark.parametrize(
    ("version", "arguments", "environment"),
    [
        ("0.10.1", [], {"VLLM_MXFP4_USE_MARLIN": "1"}),
        ("0.16.0", [], {"VLLM_MXFP4_USE_MARLIN": "1"}),
        ("0.17.0", ["--moe-backend", "marlin"], {}),
    ],
)
def test_the_kernel_for_experts_was_a_variable_once(
    version: str, arguments: list[str], environment: dict[str, str]
) -> None:
    assert serve.options(Version(version), {"moe_backend": "marlin"}) == (arguments, environment, [])
