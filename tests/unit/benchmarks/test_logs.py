"""What is read from vLLM's log."""

from __future__ import annotations

from pathlib import Path

from benchmarks.emulate.logs import Follower, errors, facts
from tests.unit.benchmarks.fake_vllm import LOG, OUT_OF_MEMORY


def test_numbers() -> None:
    found = facts(LOG)
    assert (found["weights_gib"], found["load_s"], found["kv_tokens"]) == (9.34, 6.139126, 16793)
    assert (found["kv_reserved_gib"], found["graphs_gib"], found["offloaded_gib"]) == (0.44, 0.06, 3.28)
    assert (found["initial_free_gib"], found["engine_init_s"]) == (10.49, 2.76)
    assert (found["moe"], found["attention"], found["concurrency"]) == ("MARLIN", "TRITON_ATTN", "1.02x")
    assert [line.split(":")[0] for line in found["plugin"]] == [
        "embedding (201088, 2880), 1.08 GiB, lies in host memory", "reading the weights", "processing them",
    ]  # fmt: skip


def test_a_profiled_cache_may_be_negative() -> None:
    found = facts("INFO 11-22 23:38:23 [gpu_worker.py:509] Available KV cache memory: -0.07 GiB")
    assert found == {"kv_gib": -0.07}


def test_the_reason_stands_without_prefix_and_aftermath() -> None:
    assert errors(OUT_OF_MEMORY) == [
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 276.00 MiB. GPU 0 has 162.00 MiB free."
    ]


def test_stages_follow_the_log_as_it_grows(tmp_path: Path) -> None:
    log = tmp_path / "log"
    follower, seen = Follower(log), []
    assert follower.poll() == "launch"
    for end in range(0, len(LOG) + 1, 5):  # in pieces that end within lines
        log.write_text(LOG[:end])
        seen.append(follower.poll())
    log.write_text(LOG)
    assert list(dict.fromkeys([*seen, follower.poll()])) == [
        "launch", "init", "load", "profile", "cache", "graphs", "warmup", "serving",
    ]  # fmt: skip


def test_a_stage_set_by_the_runner_stays(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(LOG)
    follower = Follower(log, stage="measured")
    assert follower.poll() == "measured"
