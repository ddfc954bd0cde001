"""Background jobs: real processes, some of them killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from facts.job import Job
from tasks.remote import jobs
from tests.unit.tasks import remote


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A root with the helper; what still runs under it is ended."""
    remote.install(tmp_path)
    yield tmp_path
    kill_all(tmp_path)


def kill_all(root: Path) -> None:
    """End each job's whole process group, as a machine that loses its power would; one may have ended since it was looked for."""
    for pid in processes(str(root)):
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(pid) != os.getpgrp():
                os.killpg(os.getpgid(pid), signal.SIGKILL)


def processes(mark: str) -> list[int]:
    """Processes with a word of the command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if mark in words:
                found.append(int(entry.name))
    return sorted(found)


def start(root: Path, script: str, name: str = "work") -> str:
    """Start a shell script as a job; it names its root so that it is found again."""
    done = remote.run(root, "job-start", str(root), name, "/bin/sh", "-c", f": {root}; {script}")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def until(path: Path) -> None:
    """Wait for a file that a job writes when its work has begun."""
    deadline = time.time() + 10
    while not path.exists():
        assert time.time() < deadline
        time.sleep(0.02)


def state(root: Path, seconds: float = 10, name: str = "work") -> dict[str, Any]:
    """What job-wait prints, as the fact reads it."""
    return Job().process(remote.run(root, "job-wait", str(root), name, str(seconds)).stdout.splitlines())


def test_a_job_that_ends_well(root: Path) -> None:
    assert start(root, "echo one; echo; echo two >&2") == "started"
    found = state(root)
    assert (found["state"], found["code"], found["lines"], found["progress"]) == ("done", 0, ["one", "two"], None)


def test_a_job_that_fails_leaves_its_words(root: Path) -> None:
    start(root, "seq 1 20; echo sorry; exit 3")
    found = state(root)
    assert (found["state"], found["code"]) == ("failed", 3)
    assert found["lines"] == [*(str(n) for n in range(10, 21)), "sorry"]


def test_it_outlives_the_command_that_started_it_and_a_second_start_joins(root: Path) -> None:
    script = "echo begun; while [ ! -e go ]; do sleep 0.05; done; echo ended".replace("go", f"{root}/go")
    assert start(root, script) == "started"
    assert start(root, script) == "joined"
    running = state(root, 0.3)
    assert running["state"] == "running"
    (root / "go").touch()
    assert state(root)["lines"] == ["begun", "ended"]


def test_what_was_seen_makes_no_other_order() -> None:
    """A second run that looks while the first is mending joins it, instead of killing it."""
    words = ["python3", "build", "/root", "not json {"]
    first = [*words, json.dumps({"lock": "a", "damaged": ["torch"], "stray": []})]
    assert jobs._order(first) == jobs._order([*words, json.dumps({"lock": "a", "damaged": [], "stray": ["x"]})])
    assert jobs._order(first) != jobs._order([*words, json.dumps({"lock": "b", "damaged": ["torch"], "stray": []})])


def test_another_order_takes_the_place_of_the_first(root: Path) -> None:
    assert start(root, f"sleep 60; touch {root}/late") == "started"
    assert start(root, "echo other") == "started"
    assert (state(root)["state"], state(root)["lines"]) == ("done", ["other"])
    assert not (root / "late").exists()


def test_wait_returns_as_soon_as_it_ends(root: Path) -> None:
    start(root, "sleep 0.3")
    since = time.time()
    assert state(root, 30)["state"] == "done"
    assert time.time() - since < 5


def test_progress_is_shown_and_forgotten_at_the_next_start(root: Path) -> None:
    start(root, f"while [ ! -e {root}/go ]; do sleep 0.05; done")
    jobs.progress(str(root), "work", {"bytes": 1, "total": 2})
    assert state(root, 0)["progress"] == {"bytes": 1, "total": 2}
    (root / "go").touch()
    assert state(root)["state"] == "done"
    start(root, "true")
    assert state(root)["progress"] is None


def test_no_such_job(root: Path) -> None:
    assert state(root, 0) == {"state": "none", "progress": None, "lines": []}


def test_killed_with_everything(root: Path) -> None:
    start(root, f"echo begun; touch {root}/begun; sleep 60")
    until(root / "begun")
    kill_all(root)
    found = state(root)
    assert (found["state"], found["lines"]) == ("died", ["begun"])
    assert start(root, "echo again") == "started"
    assert state(root)["lines"] == ["again"]


def test_work_that_is_killed_is_a_failure(root: Path) -> None:
    start(root, "kill -9 $$")
    assert (state(root)["state"], state(root)["code"]) == ("failed", -9)


def test_work_whose_runner_was_killed_is_not_started_twice(root: Path) -> None:
    start(root, f"echo begun >>{root}/count; sleep 60")
    until(root / "count")
    (runner,) = [pid for pid in processes("job-run") if pid in processes(str(root))]
    os.kill(runner, signal.SIGKILL)
    time.sleep(0.2)
    assert [pid for pid in processes(str(root)) if pid != runner]  # the work goes on
    assert start(root, f"echo begun >>{root}/count; sleep 60") == "joined"


def test_two_names_are_two_jobs(root: Path) -> None:
    assert start(root, f"while [ ! -e {root}/go ]; do sleep 0.05; done", "a") == "started"
    assert start(root, "true", "b") == "started"
    assert state(root, 10, "b")["state"] == "done"
    assert state(root, 0, "a")["state"] == "running"
    (root / "go").touch()


def test_many_starts_at_once_are_one_job(root: Path) -> None:
    script = f": {root}; echo begun >>{root}/count; while [ ! -e {root}/go ]; do sleep 0.05; done"
    argv = ["python3", str(root / "lib" / "helper.pyz"), "job-start", str(root), "work", "/bin/sh", "-c", script]
    starters = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    words = sorted(starter.communicate(timeout=30)[0].strip() for starter in starters)
    assert words == ["joined", "joined", "joined", "started"]
    (root / "go").touch()
    assert state(root)["state"] == "done"
    assert (root / "count").read_text() == "begun\n"


def test_state_files_are_json(root: Path) -> None:
    start(root, "true")
    state(root)
    assert json.loads((root / "jobs" / "work" / "status.json").read_text())["state"] == "done"


def test_the_fact_of_no_answer() -> None:
    assert Job().process(["nonsense"]) == {"state": "none", "lines": []}
