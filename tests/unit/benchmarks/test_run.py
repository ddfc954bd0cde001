"""Whole cases against a stand-in for vLLM; the GPU is a function."""

from __future__ import annotations

import itertools
import json
import socket
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import serve
from benchmarks.emulate import answers, measure, runs, server
from benchmarks.emulate.cases import Case
from benchmarks.emulate.gpu import Watch
from benchmarks.emulate.limits import Deadline, Groups, OutOfTime

FAKE = [sys.executable, str(Path(__file__).parent / "fake_vllm.py")]
GIB = 1 << 30


def port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        number: int = found.getsockname()[1]
    return number


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[measure.Rig]:
    made = measure.Rig(None, lambda: 0, None, Groups(), tmp_path, port())
    yield made
    assert made.groups.started == set(), "a server was left running"


def how(start_s: float = 20, **more: Any) -> measure.How:
    return measure.How(server.Order(Path("/nowhere"), program=FAKE), start_s, **more)


def test_a_case_that_serves(rig: measure.Rig) -> None:
    found = measure.run(Case("a", 11, plugin="off"), rig, how(), Deadline.after(60))
    assert found["ok"] and found["stage"] == "measured" and "failed" not in found
    assert 0 < found["tok_s_1"] < 1200  # the stand-in takes 1 ms a token; a busy machine makes it longer
    assert found["tok_s_8"] > 0
    assert found["ttft_2k_s"] < 1
    assert found["chat"] == "length: "
    assert found["kv_tokens"] == 16793
    assert found["memory_gib"]["weights"] == 9.34
    assert found["memory_gib"]["context"] == 0.51


def test_a_case_that_runs_out_of_memory(rig: measure.Rig) -> None:
    found = measure.run(Case("a", 12, env={"FAKE_FAIL": "memory"}, plugin="off"), rig, how(), Deadline.after(60))
    assert (found["ok"], found["stage"], found["failure"]) == (False, "load", "vllm ended with 1")
    assert "Tried to allocate 276.00 MiB" in found["errors"][0]


def test_a_start_that_hangs_ends_at_its_limit(rig: measure.Rig) -> None:
    since = time.monotonic()
    found = measure.run(Case("a", 12, env={"FAKE_FAIL": "hang"}, plugin="off"), rig, how(2), Deadline.after(60))
    assert (found["ok"], found["failure"], found["stage"]) == (False, "the time was up", "serving")
    assert time.monotonic() - since < 10


def test_answers_compare(rig: measure.Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "answers.json"
    for name, env in (("a", {}), ("b", {}), ("c", {"FAKE_SHIFT": "1"})):
        case = Case(name, 12, env=env, plugin="off")
        found = measure.run(case, rig, how(only_start=True, answers=path), Deadline.after(60))
        assert found["answers"] == answers.PROMPTS * answers.TOKENS
        assert "tok_s_1" not in found
    assert serve.main(["--compare", f"{path}:a", f"{path}:b"]) == 0
    assert "the same 512 tokens" in capsys.readouterr().out
    assert serve.main(["--compare", f"{path}:a", f"{path}:c"]) == 1
    assert "prompt 0, token 63: " in capsys.readouterr().out
    with pytest.raises(ValueError, match="name one"):
        answers.read(str(path))


def test_logprobs_count_until_the_tokens_differ() -> None:
    one = [{"tokens": [1, 2, 3], "logprobs": [-1.0, -1.0, -1.0]}]
    other = [{"tokens": [1, 2, 4], "logprobs": [-1.0, -1.5, -9.0]}]
    assert answers.differences(one, other) == (["prompt 0, token 2: [3] against [4]"], 0.5)
    assert answers.differences(one, one) == ([], 0.0)


def test_the_runs_files_and_exit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rig(_: int, folder: Path, groups: Groups, speed: threading.Lock) -> measure.Rig:
        return measure.Rig(None, lambda: 0, None, groups, folder, port(), speed)

    monkeypatch.setattr(runs, "rig", rig)
    cases = tmp_path / "cases.json"
    rows: list[dict[str, Any]] = [{"name": "good", "free_gib": 8, "flags": ["--x"]}]
    rows.append({"name": "bad", "free_gib": 8, "flags": [], "env": {"FAKE_FAIL": "memory"}})
    cases.write_text(json.dumps(rows))
    words = ["--cases", str(cases), "--out", str(tmp_path / "out"), "--date", "2026-11-22", "--vllm", " ".join(FAKE)]
    assert serve.main([*words, "--parallel", "2"]) == 1
    told = json.loads((tmp_path / "out" / "serve-2026-11-22.json").read_text())
    assert sorted((row["name"], row["ok"]) for row in told["cases"]) == [("bad", False), ("good", True)]
    assert sorted(zipfile.ZipFile(tmp_path / "out" / "logs-2026-11-22.zip").namelist()) == ["bad.log", "good.log"]
    assert serve.main([*words, "--limit-s", "30"]) == 1  # too little for a start
    assert {row["stage"] for row in json.loads((tmp_path / "out" / "serve-2026-11-22.json").read_text())["cases"]} == {
        "not begun"
    }


def test_the_watch_keeps_peaks_by_stage() -> None:
    used = iter([10, 11, 14, 12])
    stages = itertools.chain(["init", "load", "serving"])
    watch = Watch(lambda: next(used) * GIB, lambda: next(stages))
    watch.base = watch.read()
    for _ in range(3):
        watch.sample()
    assert watch.gib() == {"init": 1.0, "load": 4.0, "serving": 2.0}
    assert (watch.last, watch.peaks_most()) == (2 * GIB, 4 * GIB)


def test_a_deadline_ends() -> None:
    late = Deadline.after(-1)
    with pytest.raises(OutOfTime):
        late.left()
    assert Deadline.after(100).left(5) == 5
    assert Deadline.after(100).sooner(1).at < Deadline.after(2).at


def test_the_plugin_is_seen_only_where_it_is_wanted(tmp_path: Path) -> None:
    order = server.Order(tmp_path)
    wanted = {"VLLM_WORKSTATION_PLUGIN": "embedding"}
    without = server.environment(order, wanted, None, plugin=False)
    assert "VLLM_WORKSTATION_PLUGIN" not in without
    found = server.environment(order, wanted, 1, plugin=True)
    folder = Path(found["PYTHONPATH"].split(":")[0])
    assert list(folder.glob("*.dist-info/entry_points.txt"))
    assert found["CUDA_VISIBLE_DEVICES"] == "1"
