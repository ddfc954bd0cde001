"""Many real systemd machines at once: one dies, one is away, a canary stops a rollout, the next run finishes, the last changes nothing.

LAB_HOSTS=64: so many instead of 16.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.host.lab import Host, Lab
from tests.host.product import BIG, PROJECT, PYINFRA, chat, inventory, run, site

pytestmark = pytest.mark.host
COUNT = int(os.environ.get("LAB_HOSTS", "16"))
ROOT = "/home/ops/.local/share/vllm-workstation"
STOP = "XDG_RUNTIME_DIR=/run/user/1000 systemctl --user stop vllm-workstation"
DROP_IN = "/home/ops/.config/systemd/user/vllm-workstation.service.d/fail.conf"
FAILS = "[Service]\nExecStartPre=/bin/false\n"
LIMIT = 560  # seconds for one run over all


class Many:
    """Hosts from one converged layer, and the inventory of them."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        first = lab.host("m0", "wsl-24.04", [BIG])
        done = run(lab, inventory(lab, folder, [first], "ops"), "deploy/full.py", "-y")
        assert done.code == 0, done.text
        first.save_layer("many")
        first.destroy()
        self.hosts = [lab.host(f"m{number:02}", "wsl-24.04", [BIG], layer="many") for number in range(1, COUNT + 1)]
        self.where = inventory(lab, folder, self.hosts, "ops", report=str(folder / "out"))

    def told(self) -> dict[str, Any]:
        """run.json of the last run."""
        told: dict[str, Any] = json.loads((self.folder / "out" / "run.json").read_text())
        return told

    def states(self) -> dict[str, str]:
        """How each host ended."""
        return {name: host["state"] for name, host in self.told()["hosts"].items()}


@pytest.fixture(scope="module")
def many(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Many]:
    """All of them, up; a server that boot started may not have answered yet."""
    found = Many(lab, tmp_path_factory.mktemp("many"))
    yield found
    for host in found.hosts:
        host.destroy()


def server(host: Host) -> str:
    """What the host says of its server."""
    words = "XDG_RUNTIME_DIR=/run/user/1000 systemctl --user show vllm-workstation -P ActiveState"
    return host.ssh(words, user="ops", check=False).stdout.strip()


def effort(host: Host) -> str | None:
    """The reasoning effort that its server uses for clients that name none."""
    found = re.search(r'REASONING_EFFORT="?(\w+)', host.read(f"{ROOT}/service/environment"))
    return found[1] if found else None


def test_a_run_that_changes_nothing(many: Many) -> None:
    """Each host is asked once, and once more at most; all are as planned."""
    first = run(many.lab, many.where, "deploy/full.py", "-y", "--json", timeout=LIMIT)
    assert (first.code, first.changes) == (0, 0), first.text
    before = [host.execs() for host in many.hosts]
    second = run(many.lab, many.where, "deploy/full.py", "-y", "--json", timeout=LIMIT)
    assert (second.code, second.changes) == (0, 0), second.text
    assert max(host.execs() - was for host, was in zip(many.hosts, before, strict=True)) <= 2
    before = [host.execs() for host in many.hosts]
    process = subprocess.run(
        many.lab.command([PYINFRA, many.where, "deploy/full.py"]),
        cwd=PROJECT, input="\n", capture_output=True, text=True, timeout=LIMIT,
    )  # fmt: skip
    assert process.returncode == 0 and set(many.states().values()) == {"unchanged"}, process.stderr
    assert max(host.execs() - was for host, was in zip(many.hosts, before, strict=True)) <= 2


def test_one_dies_and_one_is_away(many: Many) -> None:
    """Their lines say so; the others are done, and the line at the end names the two, which a later run with it mends."""
    dies, away, *others = many.hosts
    away.stop()
    for host in (dies, *others):
        host.ssh(f"rm {ROOT}/service/environment; {STOP}", user="ops")
    process = subprocess.Popen(
        many.lab.command([PYINFRA, "-y", many.where, "deploy/full.py"]),
        cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    text = ""
    assert process.stdout is not None
    for line in process.stdout:
        text += line
        if re.search(rf"\[{dies.name}\]\s+Start the server", line):
            dies.kill()
    assert process.wait(timeout=LIMIT) == 1, text
    states = many.states()
    assert (states.pop(dies.name), states.pop(away.name)) == ("FAILED", "UNREACHABLE"), text
    assert set(states.values()) == {"changed"}, text
    again = f"again: ./run pyinfra -y {many.where} deploy/full.py --limit {dies.name} --limit {away.name}"
    assert again in text
    dies.start()
    away.start()
    words = many.told()["again"].split()[2:]
    assert words[0] == "-y" and words[-1] == away.name
    rest = run(many.lab, many.where, "deploy/full.py", "-y", "--limit", dies.name, "--limit", away.name, timeout=LIMIT)
    assert rest.code == 0, rest.text
    assert set(many.states()) == {dies.name, away.name}
    assert run(many.lab, many.where, "deploy/full.py", "-y", "--json", timeout=LIMIT).changes == 0
    assert "Paris" in chat(dies)["choices"][0]["message"]["content"]


def test_a_canary_stops_the_rollout(many: Many) -> None:
    """Its start fails: no other host is touched. Once it is mended, the others follow in waves."""
    canary, *others = many.hosts
    canary.write(DROP_IN, FAILS)
    for host in many.hosts:
        host.ssh(STOP, user="ops")
    waves = ["-y", "--data", "canary=1", "--data", f"wave={max(1, len(others) // 2)}"]
    held = run(many.lab, many.where, "deploy/full.py", *waves, timeout=LIMIT)
    states = many.states()
    assert held.code == 1 and states.pop(canary.name) == "FAILED", held.text
    assert set(states.values()) == {"HELD"}, held.text
    assert f"not begun: the canary {canary.name} failed" in held.text
    assert {server(host) for host in others} == {"inactive"}
    canary.ssh(f"rm {DROP_IN}")
    done = run(many.lab, many.where, "deploy/full.py", *waves, timeout=LIMIT)
    assert done.code == 0 and set(many.states().values()) == {"changed"}, done.text
    begun = re.findall(r"\[(m\d+)\]\s+Start the server and hear it answer", done.text)
    assert begun[0] == canary.name and set(begun) == {host.name for host in many.hosts}
    first, second = ({host.name for host in half} for half in (others[: len(others) // 2], others[len(others) // 2 :]))
    assert set(begun[1 : 1 + len(first)]) == first and set(begun[1 + len(first) :]) == second, begun


def test_a_wave_of_which_too_many_fail_is_the_last(many: Many) -> None:
    """Two of the first four fail, which is more than a third: the other machines are not begun. With max_failed = 0.5 they are."""
    wave, others = many.hosts[:4], many.hosts[4:]
    for host in many.hosts:
        host.ssh(STOP, user="ops")
    for host in wave[:2]:
        host.write(DROP_IN, FAILS)
    few = run(many.lab, many.where, "deploy/full.py", "-y", "--data", "wave=4", timeout=LIMIT)
    assert few.code == 1 and [many.states()[host.name] for host in wave] == ["FAILED", "FAILED", "changed", "changed"], few.text
    assert {many.states()[host.name] for host in others} == {"HELD"}, few.text
    assert {server(host) for host in others} == {"inactive"}
    more = ["-y", "--data", "wave=4", "--data", "max_failed=0.5"]
    done = run(many.lab, many.where, "deploy/full.py", *more, timeout=LIMIT)
    assert done.code == 1 and {many.states()[host.name] for host in others} == {"changed"}, done.text
    for host in wave[:2]:
        host.ssh(f"rm {DROP_IN}")
    assert run(many.lab, many.where, "deploy/full.py", "-y", timeout=LIMIT).code == 0


def test_a_group_has_settings_of_its_own(many: Many) -> None:
    """group_data/<group>.py, and a machine's own over it: only those whose settings changed are touched."""
    mine, *rest = many.hosts
    data = {host.name: {**many.lab.inventory_data(host, "ops"), **site(many.lab)} for host in many.hosts}
    data[mine.name]["reasoning_effort"] = "high"
    groups = {"quick": [*rest[:2], mine], "others": rest[2:]}
    text = [f"{name} = {[(host.name, data[host.name]) for host in hosts]!r}\n" for name, hosts in groups.items()]
    where = many.folder / "groups.py"
    where.write_text("".join(text))
    (many.folder / "group_data").mkdir()
    (many.folder / "group_data" / "quick.py").write_text("reasoning_effort = 'low'\n")
    folders = ["--group-data", str(many.folder / "group_data"), "--group-data", str(PROJECT / "group_data")]
    words = ["-y", *folders, "--data", f"report={many.folder / 'out'}"]
    done = run(many.lab, where, "deploy/full.py", *words, timeout=LIMIT)
    states = many.states()
    assert done.code == 0 and {states.pop(host.name) for host in groups["quick"]} == {"changed"}, done.text
    assert set(states.values()) == {"unchanged"}, done.text
    efforts = [effort(host) for host in (mine, rest[0], rest[-1])]
    assert efforts == ["high", "low", None]
    assert run(many.lab, many.where, "deploy/full.py", "-y", timeout=LIMIT).code == 0


def test_a_slow_host_delays_only_itself(many: Many) -> None:
    """One whose login takes ten seconds: the others are done long before."""
    slow, *others = many.hosts
    slow.ssh("echo 'sleep 10' >/etc/profile.d/slow.sh; printf 'sleep 10\\n' >/etc/ssh/sshrc")
    since = time.monotonic()
    process = subprocess.Popen(
        many.lab.command([PYINFRA, "-y", many.where, "deploy/full.py"]),
        cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    ended = {}
    for line in process.stdout:
        if found := re.search(r"\[(m\d+)\]\s+No changes", line):
            ended[found.group(1)] = time.monotonic() - since
    assert process.wait(timeout=LIMIT) == 0
    slow.ssh("rm /etc/ssh/sshrc /etc/profile.d/slow.sh")
    assert ended.pop(slow.name) >= 10 and set(ended) == {host.name for host in others}
    assert list(ended)[-1] != slow.name and max(ended.values()) < 10 + COUNT / 4
