"""The server's command line and environment, and the digest that changes with them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plan import plan
from plan.serve import Serve
from plan.settings import Settings
from tests.unit.machines import GALLERY, LOCK, ROOT, changed, planned, resolved

WSL_12 = GALLERY["wsl 24.04, 12 GiB"]
NATIVE_4090 = GALLERY["native 24.04, RTX 4090, driver 570"]


def start(name: str, release: str | None = None, **wishes: Any) -> Serve:
    """The start on a machine of the gallery."""
    made = planned(GALLERY[name], Settings(**wishes), release)
    assert made.serve is not None, made.refusals
    return made.serve


def value(made: Serve, flag: str) -> str | None:
    """What follows a flag."""
    return made.arguments[made.arguments.index(flag) + 1] if flag in made.arguments else None


def test_twelve_gib_in_wsl() -> None:
    made = start("wsl 24.04, 12 GiB", "0.32.0")
    assert made.arguments == [
        "serve",
        f"{ROOT}/models/openai--gpt-oss-20b-6cee5e81ee83",
        "--host",
        "127.0.0.1",
        "--port",
        "8000",
        "--served-model-name",
        "openai/gpt-oss-20b",
        "--gpu-memory-utilization",
        value(made, "--gpu-memory-utilization"),
        "--max-model-len",
        value(made, "--max-model-len"),
        "--max-num-seqs",
        "8",
        "--max-num-batched-tokens",
        value(made, "--max-num-batched-tokens"),
        "--kv-cache-memory-bytes",
        value(made, "--kv-cache-memory-bytes"),
        "--compilation-config",
        '{"mode":0,"cudagraph_mode":"FULL_DECODE_ONLY","cudagraph_capture_sizes":[1,2,4,8]}',
        "--attention-backend",
        "TRITON_ATTN",
        "--moe-backend",
        "marlin",
        "--cpu-offload-gb",
        value(made, "--cpu-offload-gb"),
        "--cpu-offload-params",
        "experts",
    ]
    assert int(value(made, "--max-model-len") or 0) >= 16384
    assert 3 < float(value(made, "--cpu-offload-gb") or 0) < 5
    assert made.environment == {
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_USE_FLASHINFER_SAMPLER": "0",
        "VLLM_WSL2_ENABLE_PIN_MEMORY": "1",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:2:16:8",
    }


def test_our_plugin_is_switched_on_where_it_is_proven() -> None:
    made = start("native 24.04, 12 GiB", "0.24.0")
    assert made.environment["VLLM_WORKSTATION_PLUGIN"] == "embedding,repack,load,rope"
    assert "VLLM_WORKSTATION_PLUGIN" not in start("native 24.04, 12 GiB", "0.32.0").environment
    assert "VLLM_WORKSTATION_PLUGIN" not in start("native 24.04, 12 GiB", "0.24.0", plugin="off").environment


def test_pinning_is_asked_for_in_wsl_only_and_with_offload_only() -> None:
    assert "VLLM_WSL2_ENABLE_PIN_MEMORY" not in start("native 24.04, 12 GiB").environment
    assert "VLLM_WSL2_ENABLE_PIN_MEMORY" not in start("wsl 24.04, RTX 5090", "0.32.0").environment
    assert (
        start("wsl 24.04, 16 GiB", "0.24.0").environment["VLLM_WSL2_ENABLE_PIN_MEMORY"] == "1"
    )  # for the plugin's embedding


def test_hopper_keeps_vllms_own_kernels() -> None:
    made = start("debian 12, H200", "0.32.0")
    assert (value(made, "--attention-backend"), value(made, "--moe-backend")) == (None, None)
    assert (value(made, "--max-model-len"), value(made, "--max-num-seqs")) == ("131072", "128")


def test_the_processor() -> None:
    made = start("no GPU")
    assert "--enforce-eager" in made.arguments and value(made, "--gpu-memory-utilization") is None
    assert (made.environment["VLLM_CPU_KVCACHE_SPACE"], made.environment["VLLM_ENABLE_V1_MULTIPROCESSING"]) == (
        "1",
        "0",
    )


def test_the_ordered_build() -> None:
    made = start("native 24.04, RTX 4090, driver 570", "gptoss")
    assert made.environment["VLLM_ATTENTION_BACKEND"] == "TRITON_ATTN_VLLM_V1"
    assert made.environment["TIKTOKEN_RS_CACHE_DIR"] == f"{ROOT}/cache/tiktoken"
    left_out = {reason.text for reason in made.reasons if "left out" in reason.text}
    assert "vLLM 0.10.1 has no kv_cache_memory_bytes; left out." in left_out


@pytest.mark.parametrize(
    ("release", "wish", "flag"),
    [
        ("0.32.0", True, None),
        ("0.32.0", False, "--no-async-scheduling"),
        ("gptoss", True, "--async-scheduling"),
        ("gptoss", False, "--no-async-scheduling"),
        ("gptoss", "auto", None),
    ],
)
def test_async_scheduling(release: str, wish: bool | str, flag: str | None) -> None:
    made = start("wsl 24.04, RTX 5090", release, async_scheduling=wish)
    assert [word for word in made.arguments if "async" in word] == ([flag] if flag else [])


def test_the_admins_values_win() -> None:
    made = start(
        "wsl 24.04, 12 GiB",
        gpu_memory_utilization=0.5,
        max_model_len=2048,
        max_num_seqs=2,
        max_num_batched_tokens=256,
        served_model_name="lab",
        host="0.0.0.0",
        port=9000,
    )
    flags = (
        "--gpu-memory-utilization",
        "--max-model-len",
        "--max-num-seqs",
        "--max-num-batched-tokens",
        "--served-model-name",
        "--host",
        "--port",
    )
    assert [value(made, flag) for flag in flags] == ["0.5", "2048", "2", "256", "lab", "0.0.0.0", "9000"]


def test_more_sequences_than_the_tiers_have_still_fit_one_step() -> None:
    made = start("native 24.04, RTX 4090, driver 570", max_num_batched_tokens=64, max_num_seqs="auto")
    assert int(value(made, "--max-num-batched-tokens") or 0) >= int(value(made, "--max-num-seqs") or 0)
    made = start("wsl 24.04, 12 GiB", max_num_seqs=1024)
    assert int(value(made, "--max-num-batched-tokens") or 0) >= 1024


def test_reasoning_effort_is_for_gpt_oss() -> None:
    made = start("wsl 24.04, RTX 5090", reasoning_effort="high")
    assert value(made, "--middleware") == "vllm_workstation_defaults.ReasoningEffort"
    assert (made.environment["VLLM_WORKSTATION_REASONING_EFFORT"], made.environment["PYTHONPATH"]) == (
        "high",
        f"{ROOT}/lib",
    )
    other = start("wsl 24.04, RTX 5090", reasoning_effort="high", model="Qwen/Qwen3-8B")
    assert "--middleware" not in other.arguments and "PYTHONPATH" not in other.environment


SPEC: dict[str, Any] = {
    "port": 9001,
    "host": "127.0.0.2",
    "served_model_name": "x",
    "max_model_len": 4096,
    "max_num_seqs": 1,
    "max_num_batched_tokens": 3000,
    "gpu_memory_utilization": 0.8,
    "async_scheduling": False,
    "reasoning_effort": "low",
    "model": "/data/m",
    "model_revision": "a" * 40,
    "require_api_key": False,
}


@pytest.mark.parametrize("name", SPEC)
def test_the_digest_changes_with_everything_that_the_start_is_made_of(name: str) -> None:
    assert start("wsl 24.04, RTX 5090", **{name: SPEC[name]}).spec != start("wsl 24.04, RTX 5090").spec


def test_the_digest_changes_with_release_lock_and_card() -> None:
    before = resolved(GALLERY["wsl 24.04, RTX 5090"])
    record = dict(before.releases.choice or {})
    specs = []
    for choice in (record, {**record, "lock": "f" * 16}, {**record, "release": "0.24.0"}):
        made = plan.make(
            changed(before, "releases", choice=choice, locks={str(choice["lock"]): str(choice["lock"])}), Settings()
        )
        assert made.serve is not None
        specs.append(made.serve.spec)
    assert len({*specs, start("wsl 24.04, 16 GiB").spec}) == 4
    assert record["lock"] == LOCK


UNRELATED: dict[str, Any] = {
    "start_timeout": 600,
    "exports": False,
    "cuda_version": "none",
    "remove_wsl_driver": True,
    "hf_endpoint": "https://mirror.lab",
}


@pytest.mark.parametrize("name", UNRELATED)
def test_and_with_nothing_else(name: str) -> None:
    assert start("wsl 24.04, RTX 5090", **{name: UNRELATED[name]}).spec == start("wsl 24.04, RTX 5090").spec


def test_a_little_more_or_less_free_memory_changes_nothing_that_matters() -> None:
    made = start("wsl 24.04, RTX 5090")
    card = GALLERY["wsl 24.04, RTX 5090"].gpu.devices[0].model_dump()
    again = planned(
        changed(
            GALLERY["wsl 24.04, RTX 5090"], "gpu", devices=[{**card, "memory_free_mib": card["memory_free_mib"] - 37}]
        )
    ).serve
    assert again is not None and again.spec == made.spec


def test_the_graphs_are_json_without_spaces() -> None:
    text = value(start("wsl 24.04, RTX 5090", "0.32.0"), "--compilation-config")
    assert text is not None and " " not in text
    assert json.loads(text)["cudagraph_capture_sizes"] == [1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128]


def test_a_defect_is_told_where_it_applies() -> None:
    def told(name: str, release: str) -> list[str]:
        return [reason.text for reason in start(name, release).reasons if reason.text.startswith("Known of")]

    assert any("powers of two" in text for text in told("native 24.04, 12 GiB", "0.32.0"))
    assert told("native 24.04, 12 GiB", "0.24.0") == [], "our plugin's start allocates exactly"
    assert told("wsl 24.04, RTX 5090", "0.32.0") == []
