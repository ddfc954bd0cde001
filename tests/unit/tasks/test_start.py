"""Going back to what answered last, and the telling lines of a log."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tasks.remote import common, start


def serving(root: Path, release: str, spec: str, whole: bool = True) -> None:
    """A root whose current release and start plan are these."""
    (root / "releases" / release / "bin").mkdir(parents=True, exist_ok=True)
    if whole:
        (root / "releases" / release / "bin" / "vllm").touch()
    common.link(str(root / "current"), f"releases/{release}")
    common.write(str(root / "service" / "plan.json"), json.dumps({"spec": spec}))
    common.write(str(root / "service" / "environment"), f"SPEC={spec}\n")
    common.write(str(root / "service" / "answered"), json.dumps({"spec": spec}))


def state(root: Path) -> tuple[str, str, str]:
    """Release, spec and environment as they are."""
    plan = json.loads((root / "service" / "plan.json").read_text())
    return os.readlink(root / "current"), plan["spec"], (root / "service" / "environment").read_text()


def test_back_to_what_answered(tmp_path: Path) -> None:
    serving(tmp_path, "aa", "1")
    start.remember(str(tmp_path))
    serving(tmp_path, "bb", "2")
    assert start.go_back(str(tmp_path))
    assert state(tmp_path) == ("releases/aa", "1", "SPEC=1\n")
    assert (tmp_path / "service" / "environment").stat().st_mode & 0o777 == 0o600


def test_nothing_answered_yet(tmp_path: Path) -> None:
    serving(tmp_path, "aa", "1")
    assert not start.go_back(str(tmp_path))
    assert state(tmp_path) == ("releases/aa", "1", "SPEC=1\n")


def test_the_same_start_is_not_tried_again(tmp_path: Path) -> None:
    serving(tmp_path, "aa", "1")
    start.remember(str(tmp_path))
    assert not start.go_back(str(tmp_path))


def test_a_release_that_is_gone_is_nothing_to_go_back_to(tmp_path: Path) -> None:
    serving(tmp_path, "aa", "1", whole=False)
    start.remember(str(tmp_path))
    serving(tmp_path, "bb", "2")
    assert not start.go_back(str(tmp_path))
    assert state(tmp_path) == ("releases/bb", "2", "SPEC=2\n")


def test_a_start_that_fails_ends_with_the_old_one_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serving(tmp_path, "aa", "1")
    start.remember(str(tmp_path))
    serving(tmp_path, "bb", "2")
    tried = []

    def fake(root: str) -> None:
        tried.append(state(tmp_path)[1])
        if tried[-1] == "2":
            raise common.Failure("out of memory")

    monkeypatch.setattr(start, "_systemd", fake)
    with pytest.raises(common.Failure, match=r"^out of memory\nWhat served before was started again and answers\.$"):
        start.run(str(tmp_path), "systemd")
    assert tried == ["2", "1"]
    assert state(tmp_path)[0] == "releases/aa"


def test_a_start_that_answers_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serving(tmp_path, "aa", "1")
    monkeypatch.setattr(start, "_supervisord", lambda root: None)
    start.run(str(tmp_path), "supervisord")
    assert (tmp_path / "service" / "good" / "release").read_text() == "releases/aa"


def test_what_did_not_answer_is_not_remembered(tmp_path: Path) -> None:
    serving(tmp_path, "aa", "1")
    common.write(str(tmp_path / "service" / "answered"), json.dumps({"spec": "of another plan"}))
    start.remember(str(tmp_path))
    assert not (tmp_path / "service" / "good").exists()


def test_the_telling_lines_once_each_and_the_last_six() -> None:
    lines = ["INFO starting", *(f"ValueError: {n}" for n in range(8)), "  File x", "ValueError: 7"]
    text = start._death(lines, "the log")
    assert text.splitlines() == [
        "the server did not start; the log shows all. Its last words:",
        *(f"    ValueError: {n}" for n in range(2, 8)),
    ]
    assert start._death(["a", "b"], "the log").splitlines()[1:] == ["    a", "    b"]
