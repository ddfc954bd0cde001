"""Killed runs, two runs at once, and a release that does not start: the old server goes on, the next run finishes."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.host.conftest import MakeHost
from tests.host.lab import Lab
from tests.host.product import BIG, PROJECT, PYINFRA, chat, inventory, run

pytestmark = pytest.mark.host
ROOT = "/home/ops/.local/share/vllm-workstation"


def started(lab: Lab, where: Path) -> subprocess.Popen[str]:
    """A run in the background."""
    command = lab.command([str(PYINFRA), "-y", str(where), "deploy/full.py"])
    return subprocess.Popen(
        command,
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("seconds", [5, 12, 20])
def test_killed_first_run_is_finished_by_the_next(lab: Lab, host: MakeHost, tmp_path: Path, seconds: int) -> None:
    """SIGKILL to the controller at some moment of a first run."""
    machine = host("wsl-24.04", [BIG])
    where = inventory(lab, tmp_path, [machine], "ops")
    process = started(lab, where)
    time.sleep(seconds)
    subprocess.run(["kill", "-KILL", "--", f"-{process.pid}"], check=False)
    process.wait()
    again = run(lab, where, "deploy/full.py", "-y")
    assert again.code == 0, again.text
    assert run(lab, where, "deploy/full.py", "-y", "--json").changes == 0


def test_killed_upgrade_leaves_the_old_server(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """An upgrade whose machine loses power half-way: after the boot the old release answers, the next run finishes."""
    lab.rule(lab.python_index, "overlay")
    machine = host("wsl-24.04", [BIG])
    assert run(lab, inventory(lab, tmp_path, [machine], "ops"), "deploy/full.py", "-y").code == 0
    where = inventory(lab, tmp_path, [machine], "ops", vllm_release="0.32.0")
    process = started(lab, where)
    for _ in range(200):
        if machine.ssh(f"ls {ROOT}/releases | wc -l").stdout.strip() == "2":
            break
        time.sleep(0.1)
    machine.kill()
    process.send_signal(signal.SIGKILL)
    process.wait()
    machine.start()
    machine.ssh("for i in $(seq 60); do curl -sf http://127.0.0.1:8000/health && exit 0; sleep 1; done; exit 1")
    assert "Paris" in chat(machine)["choices"][0]["message"]["content"]
    done = run(lab, where, "deploy/full.py", "-y")
    assert done.code == 0, done.text
    assert machine.ssh(f"{ROOT}/current/bin/vllm --version", user="ops").stdout.split()[-1] == "0.32.0"


def test_two_runs_at_once(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """Both end well, and the machine is as after one."""
    machine = host("wsl-24.04", [BIG])
    where = inventory(lab, tmp_path, [machine], "ops")
    processes = [started(lab, where), started(lab, where)]
    texts = [process.communicate(timeout=600)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n\n".join(texts)
    assert run(lab, where, "deploy/full.py", "-y", "--json").changes == 0
    assert machine.ssh("grep -lz VLLM_WORKSTATION_SPEC /proc/[0-9]*/environ | wc -l").stdout.strip() in ("2", "3")


def test_release_that_does_not_start_goes_back(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """The new release dies at its start: the old one answers again, and the failure is told with its own words."""
    lab.rule(lab.python_index, "overlay")
    machine = host("wsl-24.04", [BIG])
    assert run(lab, inventory(lab, tmp_path, [machine], "ops"), "deploy/full.py", "-y").code == 0
    drop_in = "/home/ops/.config/systemd/user/vllm-workstation.service.d"
    script = f'[ "$(basename $(readlink {ROOT}/current))" != OLD ] && echo STANDIN_FAIL=out-of-luck >/tmp/fail || : >/tmp/fail'
    old = machine.ssh(f"basename $(readlink {ROOT}/current)", user="ops").stdout.strip()
    machine.write(
        f"{drop_in}/fail.conf",
        f"[Service]\nEnvironmentFile=-/tmp/fail\nExecStartPre=/bin/sh -c '{script.replace('OLD', old)}'\n",
    )
    machine.ssh(f"chown -R ops:ops {drop_in}")
    where = inventory(lab, tmp_path, [machine], "ops", vllm_release="0.32.0")
    ended = run(lab, where, "deploy/full.py", "-y")
    assert ended.code != 0 and "out-of-luck" in ended.text, ended.text
    assert "What served before was started again and answers." in ended.text
    assert "Paris" in chat(machine)["choices"][0]["message"]["content"]
