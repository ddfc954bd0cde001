"""A second run over many machines: ours beside plain pyinfra, Ansible tuned, Ansible with mitogen, and the least that a look costs.

    ./run python benchmarks/fleet.py [--hosts 1 8 16] [--rounds 5] [--far] [--json FILE]     # needs what tests/host needs

All keep the same state (peers/state.py, read from a machine that full.py finished with), over new ssh connections, interleaved; printed are
medians: wall s, controller CPU s, remote commands a host, and the ratio to one ssh a host that runs our probe. `--far`: 20 ms of latency.
Before anything is measured each of them must see one thing that was broken, and change nothing once it is mended.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.noop import converged, timed
from benchmarks.peers import playbook, state
from facts.machine import by_hand, query
from plan import exports, service, toolkit
from tests.host.lab import Host, Lab, missing
from tests.host.lab.shell import run as shell
from tests.host.product import PROJECT, PYINFRA, inventory

HERE = Path(__file__).parent
VENV = Path.home() / ".cache" / "vllm-workstation-benchmarks" / "peers"
MILLISECONDS = 10  # one way
BROKEN = f"{state.ROOT}/service/api-key"
Run = Callable[[], int]  # how many things it changed


class Fleet:
    """Hosts, and each tool's way to bring them to the same state."""

    def __init__(self, lab: Lab, hosts: list[Host], folder: Path) -> None:
        self.lab, self.hosts, self.folder, self.far = lab, hosts, folder, False
        self.items = state.items(hosts[0], folder)
        state.write(self.items, folder / "state.json")
        shutil.copy(HERE / "peers" / "builtins_deploy.py", folder / "deploy.py")
        playbook.write(self.items, folder / "site.yml")
        self.tools: dict[str, Run] = {
            "ours": self.ours, "pyinfra": self.plain, "ansible": lambda: self.ansible(None), "mitogen": lambda: self.ansible(_mitogen()),
            "limit": self.limit,
        }  # fmt: skip

    def use(self, count: int) -> None:
        """From now on so many hosts."""
        chosen = self.hosts[:count]
        self.count = count
        self.ours_where = inventory(self.lab, self.folder, chosen, "ops")
        rows = [(host.name, self.lab.inventory_data(host, "ops")) for host in chosen]
        (self.folder / "plain.py").write_text(f"lab = {rows!r}\n")
        lines = [
            f"{host.name} ansible_host={host.address} ansible_user=ops ansible_ssh_private_key_file={self.lab.ssh_key}"
            for host in chosen
        ]
        (self.folder / "hosts.ini").write_text("\n".join(["[lab]", *lines]) + "\n")

    def command(
        self, argv: Sequence[str], cwd: Path, text: str | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run as the controller, near or far."""
        words = self.lab.command(argv)
        if self.far:
            words = [
                word.replace(f"/run/netns/{self.lab.settings.tag}", f"/run/netns/{self.lab.settings.tag}-far")
                for word in words
            ]
        return subprocess.run(
            words, cwd=cwd, env={**os.environ, **env}, input=text or "", capture_output=True, text=True, timeout=900
        )

    def ours(self) -> int:
        """full.py."""
        return self._pyinfra([str(PYINFRA), "-y", "--json", str(self.ours_where), "deploy/full.py"], PROJECT)

    def plain(self) -> int:
        """pyinfra's own operations."""
        return self._pyinfra([str(PYINFRA), "-y", "--json", "plain.py", "deploy.py"], self.folder)

    def _pyinfra(self, argv: list[str], cwd: Path) -> int:
        done = self.command(argv, cwd)
        if done.returncode:
            sys.exit(done.stdout[-2000:] + done.stderr[-3000:])
        return int(json.loads(done.stdout)["results"]["totals"]["success"])

    def ansible(self, mitogen: str | None) -> int:
        """ansible-playbook with pipelining and connections that are kept for one run."""
        with tempfile.TemporaryDirectory(prefix="cp") as control:
            cfg = self.folder / "ansible.cfg"
            playbook.configuration(cfg, Path(control), self.lab.known_hosts, mitogen)
            argv = [f"{VENV}/bin/ansible-playbook", "-i", "hosts.ini", "site.yml"]
            done = self.command(argv, self.folder, ANSIBLE_CONFIG=str(cfg), PATH=f"{VENV}/bin:{os.environ['PATH']}")
            subprocess.run(["pkill", "-f", control], check=False)
        if done.returncode:
            sys.exit(done.stdout[-3000:] + done.stderr[-2000:])
        return sum(int(found) for found in re.findall(r"changed=(\d+)", done.stdout))

    def limit(self) -> int:
        """One ssh a host, all at once, running our probe; it compares nothing."""
        files = [f"{state.ROOT}/lib/helper.pyz", f"~/{service.UNIT_FILE}", exports.PROFILE, toolkit.PREFERENCES]
        probe = by_hand(query(state.ROOT, 8000, service.UNIT, files, []))
        options = f"-F none -i {self.lab.ssh_key} -o UserKnownHostsFile={self.lab.known_hosts} -o LogLevel=ERROR -o KexAlgorithms=curve25519-sha256"
        lines = [
            f"ssh {options} ops@{host.address} {shlex.quote(probe)} </dev/null >/dev/null &"
            for host in self.hosts[: self.count]
        ]
        self.command(["bash", "-s"], PROJECT, "\n".join([*lines, "wait"]))
        return 0


def _mitogen() -> str:
    return str(next(VENV.glob("lib/python3*/site-packages/ansible_mitogen/plugins/strategy")))


def peers() -> None:
    """Ansible and mitogen in a venv of their own, once."""
    if not (VENV / "bin" / "ansible-playbook").exists():
        print("getting ansible-core and mitogen", file=sys.stderr)
        shell([sys.executable, "-m", "venv", VENV])
        shell([VENV / "bin" / "python", "-m", "pip", "install", "--quiet", "-r", HERE / "peers" / "requirements.txt"])


@contextmanager
def far(lab: Lab) -> Iterator[None]:
    """A namespace behind a slow cable."""
    tag, name = lab.settings.tag, f"{lab.settings.tag}-far"
    shell(["ip", "netns", "add", name])
    argv = [sys.executable, "-m", "benchmarks.peers.cable", tag, name, f"{lab.settings.net}.250/24", str(MILLISECONDS)]
    process = subprocess.Popen(argv, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "laid\n"
        yield
    finally:
        process.kill()
        process.wait()
        shell(["ip", "netns", "delete", name])


def proved(fleet: Fleet) -> None:
    """Every tool sees what is broken, mends it, and then changes nothing."""
    fleet.use(1)
    for name, tool in fleet.tools.items():
        if name == "limit":
            continue
        fleet.hosts[0].ssh(f"chmod 644 {BROKEN}")
        changed, again = tool(), tool()
        if changed < 1 or again:
            sys.exit(f"{name} changed {changed} things where one was broken, and {again} after that")
        print(f"{name} mended what was broken ({changed}), and then changed nothing", file=sys.stderr)


def measured(fleet: Fleet, count: int, rounds: int) -> list[dict[str, Any]]:
    """A row a tool."""
    fleet.use(count)
    seen: dict[str, list[tuple[float, float, int]]] = {name: [] for name in fleet.tools}
    for tool in fleet.tools.values():
        tool()
    for _ in range(rounds):
        for name, tool in fleet.tools.items():
            before = fleet.hosts[0].execs()
            wall, cpu = timed(lambda tool=tool: _unchanged(tool))  # type: ignore[misc]
            seen[name].append((wall, cpu, fleet.hosts[0].execs() - before))
            time.sleep(0.2)
    limit = statistics.median(wall for wall, _, _ in seen["limit"])
    rows = []
    for name, values in seen.items():
        wall, cpu, commands = (statistics.median(column) for column in zip(*values, strict=True))
        rows.append(
            {
                "tool": name,
                "hosts": count,
                "far": fleet.far,
                "wall_s": wall,
                "cpu_s": cpu,
                "commands": commands,
                "ratio": wall / limit,
            }
        )
    return rows


def _unchanged(tool: Run) -> None:
    if changed := tool():
        sys.exit(f"{changed} changes in what should be a second run")


def show(rows: list[dict[str, Any]]) -> None:
    """The table."""
    for row in rows:
        place = "far" if row["far"] else "near"
        figures = f"{row['wall_s']:6.2f}  {row['cpu_s']:14.2f}  {row['commands']:15.0f}  {row['ratio']:6.1f}x"
        print(f"{row['tool']:8}  {row['hosts']:5}  {place:5}  {figures}", flush=True)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--hosts", nargs="*", type=int, default=[1, 8, 16])
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--far", action="store_true", help="with 20 ms of latency too")
    options.add_argument("--json", type=Path)
    chosen = options.parse_args()
    if reason := missing():
        sys.exit(f"cannot run here: {reason}")
    peers()
    lab = Lab.start()
    try:
        with tempfile.TemporaryDirectory() as name:
            rows = _all(lab, Path(name), chosen)
    finally:
        lab.stop()
    if chosen.json:
        chosen.json.write_text(
            json.dumps({"rounds": chosen.rounds, "latency_ms": 2 * MILLISECONDS, "rows": rows}, indent=1) + "\n"
        )


def _all(lab: Lab, folder: Path, chosen: argparse.Namespace) -> list[dict[str, Any]]:
    fleet = Fleet(lab, converged(lab, max(chosen.hosts), folder), folder)
    proved(fleet)
    rows: list[dict[str, Any]] = []
    print("tool      hosts  where  wall s  controller CPU  commands a host    ratio")
    for count in chosen.hosts:
        rows += measured(fleet, count, chosen.rounds)
        show(rows[-len(fleet.tools) :])
    if chosen.far:
        with far(lab):
            fleet.far = True
            for count in chosen.hosts:
                rows += measured(fleet, count, chosen.rounds)
                show(rows[-len(fleet.tools) :])
    return rows


if __name__ == "__main__":
    main()
