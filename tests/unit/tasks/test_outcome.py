"""Where memory ran out, by a start's log: vLLM's own words, each with what the next plan must make smaller."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from plan import learnt, stages
from tasks.remote import outcome
from tests.unit.recorded import Recording, cases, recordings

TABLE = stages.patterns()
CARD = {"name": "NVIDIA GeForce RTX 4070", "total_mib": 12282, "free_mib": 11882}
INFO = "(EngineCore_DP0 pid=5) INFO 11-22 20:00:00 "
ERROR = "(EngineCore_DP0 pid=5) ERROR 11-22 20:00:09 [core.py:700] "
OOM = (
    ERROR
    + "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 276.00 MiB. GPU 0 has a total capacity of 11.99 GiB "
    "of which 162.00 MiB is free. Including non-PyTorch memory, this process has 11.75 GiB memory in use."
)
ROOT_CAUSE = (
    "(APIServer pid=2) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}"
)
# A start as vLLM logs it, line by line.
BEGUN = "Starting vllm-workstation.service - vLLM server of openai/gpt-oss-20b (vllm-workstation)..."
BANNER = "(APIServer pid=2) INFO 11-22 20:00:00 [api_server.py:1500] vLLM API server version 0.24.0"
LOADS = INFO + "[gpu_model_runner.py:4000] Starting to load model /m..."
OFFLOADED = INFO + "[uva.py:61] Total CPU offloaded parameters: 3.87"
LOADED = INFO + "[gpu_model_runner.py:4100] Model loading took 9.65 GiB memory and 12.300000 seconds"
ROOM = INFO + "[gpu_worker.py:300] Available KV cache memory: 1.21 GiB"
RESERVED = (
    INFO
    + "[gpu_worker.py:381] Initial free memory 11.61 GiB, reserved 0.68 GiB memory for KV Cache as specified by kv_cache_memory_bytes "
    "config and skipped memory profiling."
)
CACHE = INFO + "[kv_cache_utils.py:1319] GPU KV cache size: 26,130 tokens"
CAPTURES = "(EngineCore_DP0 pid=5) Capturing CUDA graphs (decode, FULL):  25%|██▌       | 1/4 [00:00<00:00,  4.47it/s]"
CAPTURED = INFO + "[gpu_model_runner.py:5000] Graph capturing finished in 1 secs, took 0.06 GiB"
ALL = [BEGUN, BANNER, LOADS, OFFLOADED, LOADED, RESERVED, CACHE, CAPTURES, CAPTURED]


@pytest.mark.parametrize("row", cases(recordings("vllm", "stage")))
def test_what_others_posted(row: Recording) -> None:
    found = outcome.classify(row.text.splitlines(), TABLE)
    assert (found["stage"] if found else "none") == row.expect["stage"]
    assert (found or {}).get("short_mib") == row.expect.get("short_mib")


@pytest.mark.parametrize(
    ("seen", "stage"),
    [
        ([], "load"),
        ([BEGUN, BANNER], "load"),
        ([BANNER, LOADS, OFFLOADED], "load"),
        ([BANNER, LOADS, LOADED], "profile"),
        ([BANNER, LOADS, LOADED, ROOM], "kv"),
        ([BANNER, LOADS, LOADED, RESERVED], "kv"),
        ([BANNER, LOADS, LOADED, CACHE], "kv"),
        ([BANNER, LOADS, LOADED, CACHE, CAPTURES], "graphs"),
        (ALL, "graphs"),
    ],
)
def test_the_last_marker_names_the_stage(seen: list[str], stage: str) -> None:
    found = outcome.classify([*seen, OOM, ROOT_CAUSE], TABLE)
    assert found is not None
    assert (found["stage"], found["short_mib"]) == (stage, 114)
    assert found["words"].startswith("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 276.00 MiB.")


WARMUP = (
    ERROR
    + "RuntimeError: CUDA out of memory occurred when warming up sampler with 16 dummy requests. Please try lowering"
)
NO_ROOM = ERROR + "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`"
PIN = [
    ERROR + '  File "/r/vllm/model_executor/offloader/uva.py", line 140, in _maybe_offload_to_cpu',
    ERROR + "    cpu_data = cpu_data.pin_memory()",
    ERROR + "torch.AcceleratorError: CUDA error: out of memory",
    "Search for `cudaErrorMemoryAllocation' in https://docs.nvidia.com/cuda for more information.",
]
PLUGIN = "WARNING 11-22 20:00:01 [embedding.py:31] vllm-workstation-plugin: embedding stays on the card: cudaHostAlloc failed: out of memory"
KILLED = [
    "vllm-workstation.service: A process of this unit has been killed by the OOM killer.",
    "vllm-workstation.service: Main process exited, code=killed, status=9/KILL",
    "vllm-workstation.service: Failed with result 'oom-kill'.",
]


@pytest.mark.parametrize(
    ("lines", "stage", "short"),
    [
        ([LOADED, OOM, WARMUP], "profile", 114),
        ([LOADED, CACHE, CAPTURED, OOM, WARMUP], "profile", 114),
        ([LOADED, ROOM.replace("1.21", "-0.07"), NO_ROOM], "kv", 72),
        ([LOADS, *PIN], "pinned", None),
        ([LOADS, PLUGIN, OOM], "pinned", None),
        ([LOADS, ERROR + "RuntimeError: cudaHostAlloc failed: out of memory"], "pinned", None),
        ([LOADS, *KILLED], "pinned", None),
        ([LOADS, ROOT_CAUSE.replace("{}", "{'EngineCore_DP0': -9}")], "pinned", None),
        ([LOADS, OOM, ROOT_CAUSE, KILLED[1]], "load", 114),
        ([LOADED, ERROR + "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"], "profile", None),
        ([CACHE, ERROR + "RuntimeError: Triton Error [CUDA]: out of memory"], "kv", None),
        ([LOADED, ERROR + "RuntimeError: CUDA driver error: device not ready"], "profile", None),
    ],
)  # fmt: skip
def test_words_that_name_the_stage(lines: list[str], stage: str, short: int | None) -> None:
    found = outcome.classify([BEGUN, BANNER, *lines], TABLE)
    assert found is not None and (found["stage"], found["short_mib"]) == (stage, short)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ALL,
        [*ALL, KILLED[1], "vllm-workstation.service: Failed with result 'timeout'."],
        [BANNER, ERROR + "ValueError: Unsupported dtype", ROOT_CAUSE],
        [BANNER, "ERROR:    [Errno 98] error while attempting to bind on address ('127.0.0.1', 8000): address already in use"],
        [BANNER, LOADS, OOM, BANNER, "OSError: [Errno 98] Address already in use"],
    ],
)  # fmt: skip
def test_what_is_not_memory(lines: list[str]) -> None:
    assert outcome.classify(lines, TABLE) is None


def test_a_start_that_a_supervisor_has_begun_since_hides_nothing() -> None:
    found = outcome.classify([BANNER, LOADS, LOADED, OOM, ROOT_CAUSE, BANNER, LOADS], TABLE)
    assert found is not None and found["stage"] == "profile"


def test_of_two_starts_the_last_counts() -> None:
    found = outcome.classify([BANNER, LOADS, LOADED, CACHE, OOM, BANNER, LOADS, OOM.replace("276", "200")], TABLE)
    assert found is not None and (found["stage"], found["short_mib"]) == ("load", 38)


def test_what_a_start_took() -> None:
    older = [BANNER, LOADED.replace("9.65", "13.80")]
    assert outcome.measured([*older, *ALL], TABLE) == {
        "weights_gib": 9.65, "kv_gib": 0.68, "kv_tokens": 26130, "graphs_gib": 0.06, "offloaded_gib": 3.87, "free_mib": 11889,
    }  # fmt: skip
    assert outcome.measured([BANNER, LOADED, ROOM, CACHE], TABLE) == {
        "weights_gib": 9.65,
        "kv_gib": 1.21,
        "kv_tokens": 26130,
    }
    assert outcome.measured([], TABLE) == {}


def plan(spec: str = "s", **fields: Any) -> dict[str, Any]:
    """A start plan with what this needs of it."""
    return {"spec": spec, "card": CARD, "stages": TABLE, **fields}


def kept(root: Path) -> dict[str, Any]:
    """outcomes.json."""
    found: dict[str, Any] = json.loads((root / "service" / "outcomes.json").read_text())
    return found


def test_both_are_remembered(tmp_path: Path) -> None:
    told = outcome.failed(str(tmp_path), plan("1"), [BANNER, LOADS, OOM])
    assert told is not None
    outcome.served(str(tmp_path), plan("2"), ALL)
    assert outcome.failed(str(tmp_path), plan("3"), [BANNER, LOADS, LOADED, OOM]) is not None
    found = kept(tmp_path)
    assert [(one["spec"], one["stage"], one["short_mib"], one["card"]) for one in found["failures"]] == [
        ("1", "load", 114, CARD),
        ("3", "profile", 114, CARD),
    ]
    assert found["failures"][0] == told and set(told) == {"stage", "short_mib", "words", "spec", "card", "when"}
    assert (found["measured"]["spec"], found["measured"]["card"], found["measured"]["weights_gib"]) == ("2", CARD, 9.65)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["measured"]["when"])
    assert (tmp_path / "service" / "outcomes.json").stat().st_mode & 0o777 == 0o600


def test_an_answer_clears_the_failures_of_its_question(tmp_path: Path) -> None:
    """Their lesson is in the plan that answered; those of other questions, and of plans with more free memory, stay."""
    cards = {"1": {"key": "a", "free_mib": 100}, "2": {"key": "b", "free_mib": 100}, "3": {"key": "a", "free_mib": 900}}
    for spec, card in cards.items():
        outcome.failed(str(tmp_path), plan(spec, card=card), [BANNER, LOADS, OOM])
    outcome.served(str(tmp_path), plan("4", card={"key": "a", "free_mib": 100}), ALL)
    assert [one["spec"] for one in kept(tmp_path)["failures"]] == ["2", "3"]


def test_only_memory_on_a_planned_card_is_remembered(tmp_path: Path) -> None:
    root = str(tmp_path)
    assert outcome.failed(root, plan(), [BANNER, "OSError: [Errno 98] Address already in use"]) is None
    assert outcome.failed(root, plan(card=None), [BANNER, OOM]) is None
    assert outcome.failed(root, {"spec": "of an older version"}, [BANNER, OOM]) is None
    outcome.served(root, plan(card=None), ALL)
    outcome.served(root, plan(), ["nothing that is known"])
    assert not (tmp_path / "service").exists()


@pytest.mark.parametrize("text", ["", "[]", "null", '{"failures": 7}', '{"measured": null}'])
def test_a_broken_file_is_begun_anew(text: str, tmp_path: Path) -> None:
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "outcomes.json").write_text(text)
    outcome.failed(str(tmp_path), plan(), [BANNER, OOM])
    assert len(kept(tmp_path)["failures"]) == 1 and kept(tmp_path)["measured"] is None


def test_the_last_twenty(tmp_path: Path) -> None:
    for number in range(23):
        outcome.failed(str(tmp_path), plan(str(number)), [BANNER, OOM])
    assert [one["spec"] for one in kept(tmp_path)["failures"]] == [str(number) for number in range(3, 23)]


def test_what_the_user_is_told() -> None:
    def told(stage: str, short: int | None) -> str:
        return outcome.sentence({"stage": stage, "short_mib": short}, TABLE)

    assert told("load", 276) == "the card ran out of memory while loading (276 MiB short): trying with less on the card"
    assert told("pinned", None).endswith(": trying with less in the machine's memory")
    assert all("short" not in told(row["name"], None) for row in TABLE["stage"])


def test_the_planner_knows_every_stage() -> None:
    assert {row["name"] for row in TABLE["stage"]} == {*learnt.PARTS, "pinned"}
    for rule in TABLE["memory"]:
        for name in ("text", "near", "short"):
            re.compile(rule.get(name, ""))


def test_the_table_travels_as_json() -> None:
    assert json.loads(json.dumps(TABLE)) == TABLE
    assert all("evidence" not in rule for rule in TABLE["memory"])


def test_odd_figures_are_none() -> None:
    odd = [
        BANNER,
        LOADS,
        "Model loading took . GiB memory",
        "GPU KV cache size: ,,, tokens",
        "Initial free memory " + "9" * 400 + " GiB",
    ]
    assert outcome.measured(odd, TABLE) == {}
    told = outcome.classify(
        [
            BANNER,
            LOADS,
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.2.3 MiB. GPU 0 of which 1.1 MiB is free",
        ],
        TABLE,
    )
    assert told is not None and told["stage"] == "load"
