"""The whole probe on this machine: its answer is JSON that the planner takes, directly and out of the packed bundle."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from facts import bundle
from facts.machine import Machine as Fact
from facts.machine import by_hand, query
from facts.probe import main
from plan.machine import typed

MOVING = ("memory", "disk")  # change from one second to the next


@pytest.fixture(scope="module")
def question(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("root")
    (root / "choice.json").write_text("{cut")
    return query(str(root), 9, "vllm-workstation.service", ["~/.bashrc", "/nowhere"], ["/data/model"])


@pytest.fixture(scope="module")
def direct(question: str) -> dict[str, Any]:
    found: dict[str, Any] = main.gather(json.loads(question))
    return found


def packed(question: str) -> str:
    """The answer of the command line that the fact sends."""
    argv = [sys.executable, "-I", "-c", bundle.LOADER, bundle.probe(), "probe.main", question]
    return subprocess.run(argv, capture_output=True, text=True, check=True, cwd="/", timeout=60).stdout


def test_no_subject_fails(direct: dict[str, Any]) -> None:
    assert direct["errors"] == {}
    assert set(direct) == {*main.SUBJECTS, "errors"}


def test_the_planner_takes_it(direct: dict[str, Any]) -> None:
    machine = typed(json.loads(json.dumps(direct)))
    assert machine.system.cpus >= 1
    assert machine.system.python == ".".join(str(part) for part in sys.version_info[:2])
    assert machine.weights == {"/data/model": None}
    assert machine.releases.choice is None


def test_the_bundle_answers_the_same(question: str, direct: dict[str, Any]) -> None:
    there, here = json.loads(packed(question)), json.loads(json.dumps(direct))
    for name in MOVING:
        assert there["system"].pop(name).keys() == here["system"].pop(name).keys()
    assert there == here


def test_the_answer_is_one_line_that_the_fact_takes(question: str) -> None:
    lines = packed(question).splitlines()
    assert len(lines) == 1
    seen = Fact().process(["some motd", *lines])
    assert seen is not None
    assert seen["system"]["user"]["uid"] >= 0


def test_the_fact_without_an_answer() -> None:
    assert Fact().process(["sh: 1: something"]) is None
    assert Fact.default() is None


def test_a_file_in_the_current_directory_is_not_imported(tmp_path: Path) -> None:
    for name in ("json", "random", "base64", "socket"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')\n")
    question = query("/nowhere/root", 9, "x.service", [], [])
    done = subprocess.run(
        ["sh", "-c", by_hand(question)], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(done.stdout)["errors"] == {}


def test_the_command_fits_one_argument_and_runs_in_a_plain_shell(question: str) -> None:
    assert max(len(word) for word in (bundle.LOADER, bundle.probe())) < 128 * 1024
    command = Fact().command(query=question).get_raw_value()
    assert len(command) < 100_000
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout)["errors"] == {}
    empty = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, check=True, env={"PATH": "/nowhere"}
    )
    assert empty.stdout == ""
    assert " -I -c " in by_hand(question)


def test_a_subject_that_breaks_says_why_and_the_others_answer(monkeypatch: pytest.MonkeyPatch, question: str) -> None:
    def broken(asked: dict[str, Any]) -> None:
        raise OSError("gone")

    monkeypatch.setattr(main.SUBJECTS["gpu"], "observe", broken)
    found = main.gather(json.loads(question))
    assert (found["gpu"], found["errors"]) == (None, {"gpu": "OSError: gone"})
    assert typed(found).gpu.devices == []


def test_packing_is_stable(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("def main(argv):\n    from . import two\n    print(two.WORD, argv)\n")
    (tmp_path / "two.py").write_text("WORD = 'hi'\n")
    text = bundle.pack(bundle.sources(tmp_path, "box"))
    assert text == bundle.pack(bundle.sources(tmp_path, "box"))
    done = subprocess.run(
        [sys.executable, "-c", bundle.LOADER, text, "box.one", "a", "b c"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "hi ['a', 'b c']\n"
