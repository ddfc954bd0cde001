"""Runs killed in every step, jobs killed on the machine, a power cut, two repairs at once: the next run finishes.

One machine a sweep: a run is killed in its first step, the next one in its second, and so on to the last; then a
whole run ends well and one more changes nothing. Where a server ran before it answers after every kill.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.faults import Fault, faults
from tests.host.faults.machines import HEALTHY, ROOT, Machines
from tests.host.faults.outcome import server_pid
from tests.host.lab import Host, Lab
from tests.host.product import BIG, PROJECT, PYINFRA, chat, inventory, run

pytestmark = pytest.mark.host
SECONDS = (0.3, 1.0, -1.0)  # after the step's first command; negative: before the step
IDLE = "while pgrep -u ops -f 'job-run .* start ' >/dev/null; do sleep 0.2; done; "  # a start outlives the run
MOST = 40  # steps of a run, at most
STARTS = ("Start the server and hear it answer", "Verify")
BROKEN = [
    *(
        "apt-key-lost",
        "current-dangling",
        "environment-edited",
        "exports-edited",
        "key-world-readable",
        "wheel-file-cut",
    ),
    *("packages-removed", "unit-disabled", "uv-deleted", "weights-truncated", "wheel-downgraded", "orphan-with-memory"),
]


@pytest.fixture(scope="module")
def machines(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Converged machines."""
    found = Machines(lab, tmp_path_factory.mktemp("killed"))
    yield found
    found.close()


@pytest.fixture
def broken(machines: Machines) -> Iterator[tuple[Host, list[Fault]]]:
    """A converged machine with some faults that need no restart; fresh for each test."""
    machines.spoil("wsl")
    machine = machines.get("wsl")
    chosen = [fault for fault in faults() if fault.name in BROKEN]
    assert len(chosen) == len(BROKEN)
    for fault in chosen:
        machine.ssh("bash", text=fault.script("breaks"))
    yield machine, chosen
    machines.spoil("wsl")


def killed(lab: Lab, where: Path, index: int) -> str | None:
    """Run until step INDEX; returns its name, None where there are not so many."""
    argv = [sys.executable, "-m", "tests.host.killer", str(index), str(SECONDS[index % 3]), "-y", str(where)]
    process = subprocess.Popen(
        lab.command([*argv, "deploy/full.py"]),
        cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    text = process.communicate(timeout=300)[0]
    found = re.search(r"^killed in (.*)$", text, re.M)
    if found is None:
        assert process.returncode == 0, f"run {index} ended by itself: {text[-3000:]}"
        return None
    assert process.returncode == -signal.SIGKILL
    return found.group(1)


def sweep(lab: Lab, where: Path, machine: Host | None = None) -> list[str]:
    """Kill in each step in turn; the server on MACHINE is the same all the time until one is started. Names, in order."""
    names: list[str] = []
    pid = server_pid(machine) if machine else ""
    while (name := killed(lab, where, len(names))) is not None:
        names.append(name)
        assert len(names) < MOST
        if machine:
            if not set(STARTS) & set(names):
                assert server_pid(machine) == pid, f"the server went when a run was killed in {name}"
            else:
                machine.ssh(IDLE + HEALTHY)
            assert "Paris" in chat(machine)["choices"][0]["message"]["content"]
    assert names[-1] == "Verify", names
    return names


def finished(lab: Lab, where: Path) -> None:
    """A whole run ends well, and one more changes nothing."""
    whole = run(lab, where, "deploy/full.py", "-y")
    assert whole.code == 0, whole.text
    second = run(lab, where, "deploy/full.py", "-y", "--json")
    assert (second.code, second.changes) == (0, 0), second.text


def checked(machine: Host, chosen: list[Fault]) -> None:
    """Every fault is mended, as its own file says."""
    for fault in chosen:
        done = machine.ssh("bash", text=fault.script("after"), check=False)
        assert done.returncode == 0, f"{fault.name}: {done.stdout}{done.stderr}"


def test_first_run(lab: Lab, tmp_path: Path) -> None:
    """A bare machine becomes a server though every run but the last was killed."""
    lab.destroy("killed")
    machine = lab.host("killed", "wsl-24.04", [BIG])
    try:
        where = inventory(lab, tmp_path, [machine], "ops")
        sweep(lab, where)
        finished(lab, where)
        assert "Paris" in chat(machine)["choices"][0]["message"]["content"]
    finally:
        machine.destroy()


def test_upgrade(lab: Lab, machines: Machines) -> None:
    """The old release serves until the new one does."""
    machine = machines.get("wsl")
    with lab.rules({lab.python_index: "overlay"}):
        where = machines.where(machine, vllm_release="0.32.0")
        sweep(lab, where, machine)
        finished(lab, where)
    version = machine.ssh(f"{ROOT}/current/bin/vllm --version", user="ops").stdout
    machines.spoil("wsl")
    assert version.split()[-1] == "0.32.0"


def test_repair(lab: Lab, machines: Machines, broken: tuple[Host, list[Fault]]) -> None:
    """Many faults at once, and every repair is killed but the last: the server answers all the time."""
    machine, chosen = broken
    where = machines.where(machine)
    sweep(lab, where, machine)
    finished(lab, where)
    checked(machine, chosen)
    assert "Paris" in chat(machine)["choices"][0]["message"]["content"]


def started(lab: Lab, where: Path) -> subprocess.Popen[str]:
    """A run in the background."""
    return subprocess.Popen(
        lab.command([PYINFRA, "-y", where, "deploy/full.py"]),
        cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip


def at_work(machine: Host, job: str) -> bool:
    """Wait until JOB runs on the machine, two minutes at most: others may keep the processors busy."""
    script = f"for i in $(seq 1200); do pgrep -u ops -f 'job-run .* {job} ' && exit 0; sleep 0.1; done; exit 1"
    return machine.ssh(script, check=False).returncode == 0


@pytest.mark.parametrize(
    ("job", "breaks"),
    [
        ("build", f"rm -r {ROOT}/releases/*/lib/python3*/site-packages/openai-*.dist-info"),
        ("weights", f"rm {ROOT}/models/*/model-00001-of-00002.safetensors"),
        ("start", "sh -c 'XDG_RUNTIME_DIR=/run/user/1000 systemctl --user stop vllm-workstation'"),
    ],
    ids=["build", "weights", "start"],
)
def test_killed_job(lab: Lab, machines: Machines, job: str, breaks: str) -> None:
    """SIGKILL to a job on the machine: the run says so, and the next one goes on where it stopped."""
    machine = machines.get("wsl")
    machine.ssh(breaks, user="ops")
    if job == "weights":
        lab.hub.throttle("model-00001-of-00002.safetensors", 4_000_000)
    where = machines.where(machine)
    process = started(lab, where)
    assert at_work(machine, job)
    machine.ssh(f"kill -KILL -- -$(cat {ROOT}/jobs/{job}/pid)")
    text = process.communicate(timeout=300)[0]
    lab.hub.reset()
    assert process.returncode != 0 and "it was killed. Run this again" in text, text
    finished(lab, where)
    assert "Paris" in chat(machine)["choices"][0]["message"]["content"]


def test_power_cut(lab: Lab, machines: Machines, broken: tuple[Host, list[Fault]]) -> None:
    """The plug is pulled while a repair builds: the old server is back after the boot, and the next run mends the rest."""
    machine, chosen = broken
    process = started(lab, machines.where(machine))
    assert at_work(machine, "build")
    machine.kill()
    process.send_signal(signal.SIGKILL)
    process.wait()
    machine.start()
    time.sleep(1)
    finished(lab, machines.where(machine))
    checked(
        machine, [fault for fault in chosen if fault.name != "orphan-with-memory"]
    )  # its process died with the power
    assert "Paris" in chat(machine)["choices"][0]["message"]["content"]


def test_two_repairs_at_once(lab: Lab, machines: Machines, broken: tuple[Host, list[Fault]]) -> None:
    """Both end well, or one says that another run is at work; the machine is as after one."""
    machine, chosen = broken
    where = machines.where(machine)
    both = [started(lab, where), started(lab, where)]
    texts = [process.communicate(timeout=600)[0] for process in both]
    ended = [process.returncode == 0 for process in both]
    assert any(ended), "\n\n".join(texts)
    assert all(well or "another run is at work here" in text for well, text in zip(ended, texts, strict=True)), texts
    second = run(lab, where, "deploy/full.py", "-y", "--json")
    assert (second.code, second.changes) == (0, 0), second.text
    checked(machine, chosen)
    assert "Paris" in chat(machine)["choices"][0]["message"]["content"]
