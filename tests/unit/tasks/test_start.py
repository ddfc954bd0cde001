"""Starting with less and less, going back to what answered last, and the telling lines of a log."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plan import stages
from tasks.remote import common, good, jobs, manager, start


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
    good.remember(str(tmp_path))
    serving(tmp_path, "bb", "2")
    assert good.go_back(str(tmp_path))
    assert state(tmp_path) == ("releases/aa", "1", "SPEC=1\n")
    assert (tmp_path / "service" / "environment").stat().st_mode & 0o777 == 0o600


def test_nothing_answered_yet(tmp_path: Path) -> None:
    serving(tmp_path, "aa", "1")
    assert not good.go_back(str(tmp_path))
    assert state(tmp_path) == ("releases/aa", "1", "SPEC=1\n")


def test_the_same_start_is_not_tried_again(tmp_path: Path) -> None:
    serving(tmp_path, "aa", "1")
    good.remember(str(tmp_path))
    assert not good.go_back(str(tmp_path))


def test_a_release_that_is_gone_is_nothing_to_go_back_to(tmp_path: Path) -> None:
    serving(tmp_path, "aa", "1", whole=False)
    good.remember(str(tmp_path))
    serving(tmp_path, "bb", "2")
    assert not good.go_back(str(tmp_path))
    assert state(tmp_path) == ("releases/bb", "2", "SPEC=2\n")


OOM = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 276.00 MiB. GPU 0 has 11.99 GiB of which 162.00 MiB is free."
SENTENCE = "the card ran out of memory while loading (114 MiB short): trying with less on the card"
BACK = "What served before was started again and answers."


class Rig:
    """A root whose server needs a spec of at least so much; a controller hands the next spec over where it is asked."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, enough: int, words: str = OOM) -> None:
        self.root, self.enough, self.words, self.tried = root, enough, words, list[int]()
        self.asked: list[dict[str, Any]] = []
        monkeypatch.setattr(manager, "systemd", self.start)
        monkeypatch.setattr(start, "SETTLE", 0)

    def wants(self, number: int) -> None:
        """The start plan with this spec."""
        serving(self.root, "bb", str(number))
        plan = {"spec": str(number), "card": {"name": "x"}, "stages": stages.patterns()}
        common.write(str(self.root / "service" / "plan.json"), json.dumps(plan))

    def start(self, root: str) -> list[str]:
        """In place of systemd."""
        self.tried.append(int(state(self.root)[1]))
        if self.tried[-1] < self.enough and self.tried[-1]:
            raise manager.Died(["Starting to load model", self.words], "the log")
        common.write(str(self.root / "service" / "answered"), json.dumps({"spec": state(self.root)[1]}))
        return ["Starting to load model", "Model loading took 9.65 GiB memory"]

    def controlled(self, answer: Callable[[int], None], run: Callable[[], None]) -> None:
        """Run while a controller looks every moment what the job wants."""
        ended = threading.Event()

        def follow() -> None:
            while not ended.wait(0.02):
                asked = common.load(str(self.root / "jobs" / "start" / "progress.json")) or {}
                if asked.get("wants") and asked not in self.asked:
                    self.asked.append(asked)
                    answer(int(asked["spec"]))

        thread = threading.Thread(target=follow)
        thread.start()
        try:
            run()
        finally:
            ended.set()
            thread.join()

    def failures(self) -> list[str]:
        """Specs that ran out of memory, as remembered."""
        found = common.load(str(self.root / "service" / "outcomes.json")) or {"failures": []}
        return [one["spec"] for one in found["failures"]]


def go(root: Path) -> None:
    start.run(str(root), "systemd")


def test_another_failure_goes_back_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, 9, "ValueError: out-of-luck")
    serving(tmp_path, "aa", "0")
    good.remember(str(tmp_path))
    rig.wants(2)
    with pytest.raises(common.Failure, match=rf"out-of-luck\n{BACK}$"):
        go(tmp_path)
    assert (rig.tried, rig.failures(), state(tmp_path)[0]) == ([2, 0], [], "releases/aa")


def test_what_served_before_may_not_start_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, 9, "ValueError: out-of-luck")
    serving(tmp_path, "aa", "1")
    good.remember(str(tmp_path))
    rig.wants(2)
    with pytest.raises(common.Failure, match=r"out-of-luck\nWhat served before does not start either: "):
        go(tmp_path)


def test_smaller_and_smaller_until_it_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, 4)
    rig.wants(2)
    rig.controlled(lambda spec: rig.wants(spec + 1), lambda: go(tmp_path))
    assert (rig.tried, rig.failures()) == ([2, 3, 4], ["2", "3"])
    assert [(one["stage"], one["wants"]) for one in rig.asked] == [(SENTENCE, "smaller plan")] * 2
    outcomes = json.loads((tmp_path / "service" / "outcomes.json").read_text())
    assert (outcomes["measured"]["spec"], outcomes["measured"]["weights_gib"]) == ("4", 9.65)
    assert json.loads((tmp_path / "service" / "good" / "plan.json").read_text())["spec"] == "4"
    assert common.load(jobs.folder(str(tmp_path), "start") + "/progress.json") == {}


def test_never_a_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, 99)
    serving(tmp_path, "aa", "0")
    good.remember(str(tmp_path))
    rig.wants(2)
    with pytest.raises(common.Failure, match=rf"162.00 MiB is free.\n{BACK}$"):
        rig.controlled(lambda spec: rig.wants(spec + 1), lambda: go(tmp_path))
    assert (rig.tried, rig.failures()) == ([2, 3, 4, 5, 0], ["2", "3", "4", "5"])
    assert state(tmp_path)[:2] == ("releases/aa", "0")


def test_no_smaller_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, 9)
    serving(tmp_path, "aa", "0")
    good.remember(str(tmp_path))
    rig.wants(2)
    answer = tmp_path / "jobs" / "start" / start.DECLINED
    common.write(str(answer), "{}")  # of an earlier run: it must not count
    since = time.monotonic()
    with pytest.raises(common.Failure, match=BACK):
        rig.controlled(lambda spec: common.write(str(answer), "{}"), lambda: go(tmp_path))
    assert (rig.tried, len(rig.asked)) == ([2, 0], 1) and time.monotonic() - since < 10


def test_a_controller_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, 9)
    monkeypatch.setattr(start, "WAIT", 0.2)
    serving(tmp_path, "aa", "0")
    good.remember(str(tmp_path))
    rig.wants(2)
    with pytest.raises(common.Failure, match=BACK):
        go(tmp_path)
    assert (rig.tried, rig.failures()) == ([2, 0], ["2"])


def test_a_plan_that_was_replaced_while_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run wrote a plan meanwhile: the failure is the first plan's, and the second is started without asking."""
    rig = Rig(tmp_path, monkeypatch, 3)
    rig.wants(2)
    plain = rig.start

    def replaced(root: str) -> list[str]:
        try:
            return plain(root)
        finally:
            rig.wants(3)

    monkeypatch.setattr(manager, "systemd", replaced)
    go(tmp_path)
    assert (rig.tried, rig.failures()) == ([2, 3], ["2"])


def test_a_start_that_answers_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serving(tmp_path, "aa", "1")
    monkeypatch.setattr(manager, "supervisord", lambda root: [])
    start.run(str(tmp_path), "supervisord")
    assert (tmp_path / "service" / "good" / "release").read_text() == "releases/aa"


def test_what_did_not_answer_is_not_remembered(tmp_path: Path) -> None:
    serving(tmp_path, "aa", "1")
    common.write(str(tmp_path / "service" / "answered"), json.dumps({"spec": "of another plan"}))
    good.remember(str(tmp_path))
    assert not (tmp_path / "service" / "good").exists()


def test_the_telling_lines_once_each_and_the_last_six() -> None:
    lines = ["INFO starting", *(f"ValueError: {n}" for n in range(8)), "  File x", "ValueError: 7"]
    text = manager.death(lines, "the log")
    assert text.splitlines() == [
        "the server did not start; the log shows all. Its last words:",
        *(f"    ValueError: {n}" for n in range(2, 8)),
    ]
    assert manager.death(["a", "b"], "the log").splitlines()[1:] == ["    a", "    b"]
