"""Each tool's way to bring the hosts to the same state, and two measures beside them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.peers import cost, playbook, state
from facts.machine import by_hand, query
from plan import exports, service, toolkit
from tests.host.lab import Host, Lab, netns
from tests.host.lab.shell import run as shell
from tests.host.product import PROJECT, PYINFRA, inventory

HERE = Path(__file__).parent
VENV = Path.home() / ".cache" / "vllm-workstation-benchmarks" / "peers"
MILLISECONDS = 10  # of the far cable, one way
ANSWER = 1000  # bytes; the probe's answer is longer
Run = Callable[[], int]  # how many things it changed


class Fleet:
    """Hosts, and what is run on them. `seconds`: wall time of the commands since it was last set."""

    def __init__(self, lab: Lab, hosts: list[Host], folder: Path) -> None:
        self.lab, self.hosts, self.folder = lab, hosts, folder
        self.far, self.seconds = False, 0.0
        self.items = state.items(hosts[0], folder)
        if lost := [
            item["path"] for item in self.items if "" in (item.get("mode"), item.get("target"), item.get("line"))
        ]:
            sys.exit(f"not kept by full.py any more: {', '.join(lost)}. Bring benchmarks/peers/state.py up to date.")
        state.write(self.items, folder / "state.json")
        shutil.copy(HERE / "builtins_deploy.py", folder / "deploy.py")
        (folder / "empty.py").write_text("")
        playbook.write(self.items, folder / "site.yml")
        self.tools: dict[str, Run] = {
            "ours": self.ours,
            "pyinfra": self.plain,
            "ansible": self.ansible,
            "mitogen": self.mitogen,
        }
        self.measures: dict[str, Run] = {"start-up": self.startup, "limit": self.limit}
        self.use(1)

    def use(self, count: int) -> None:
        """From now on so many hosts."""
        chosen = self.chosen = self.hosts[:count]
        self.ours_where = inventory(self.lab, self.folder, chosen, "ops")
        rows = [(host.name, self.lab.inventory_data(host, "ops")) for host in chosen]
        (self.folder / "plain.py").write_text(f"lab = {rows!r}\n")
        who = f"ansible_user=ops ansible_ssh_private_key_file={self.lab.ssh_key}"
        lines = [f"{host.name} ansible_host={host.address} {who}" for host in chosen]
        (self.folder / "hosts.ini").write_text("\n".join(["[lab]", *lines]) + "\n")

    def command(self, argv: Sequence[str], cwd: Path, text: str = "", **env: str) -> str:
        """What a command prints, run as the controller, near or far. Ends the benchmark where it fails."""
        words, tag = self.lab.command(argv), self.lab.settings.tag
        if self.far:
            words = [word.replace(f"/run/netns/{tag}", f"/run/netns/{tag}-far") for word in words]
        since = time.monotonic()
        done = subprocess.run(
            words, cwd=cwd, env={**os.environ, **env}, input=text, capture_output=True, text=True, timeout=900
        )
        self.seconds += time.monotonic() - since
        if done.returncode:
            sys.exit(f"{argv[0]} failed: {done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout

    def ours(self) -> int:
        """full.py."""
        return self._pyinfra([str(PYINFRA), "-y", "--json", str(self.ours_where), "deploy/full.py"], PROJECT)

    def plain(self) -> int:
        """pyinfra's own operations."""
        return self._pyinfra([str(PYINFRA), "-y", "--json", "plain.py", "deploy.py"], self.folder)

    def _pyinfra(self, argv: list[str], cwd: Path) -> int:
        return int(json.loads(self.command(argv, cwd))["results"]["totals"]["success"])

    def ansible(self) -> int:
        """ansible-playbook with pipelining and connections that are kept for one run."""
        return self._playbook(None)

    def mitogen(self) -> int:
        """The same with mitogen's strategy."""
        return self._playbook(str(next(VENV.glob("lib/python3*/site-packages/ansible_mitogen/plugins/strategy"))))

    def _playbook(self, mitogen: str | None) -> int:
        cfg, argv = self.folder / "ansible.cfg", [f"{VENV}/bin/ansible-playbook", "-i", "hosts.ini", "site.yml"]
        with tempfile.TemporaryDirectory(prefix="cp") as control, cost.adopting():
            playbook.configuration(cfg, Path(control), self.lab.known_hosts, mitogen)
            told = self.command(argv, self.folder, ANSIBLE_CONFIG=str(cfg), PATH=f"{VENV}/bin:{os.environ['PATH']}")
        counts = re.findall(r"ok=(\d+) +changed=(\d+) ", told)
        if len(counts) != len(self.chosen) or any(int(done) != len(self.items) for done, _ in counts):
            sys.exit(f"the playbook was not done whole: {told[-3000:]}")
        return sum(int(changed) for _, changed in counts)

    def startup(self) -> int:
        """pyinfra with nothing to do, on this machine."""
        return self._pyinfra([str(PYINFRA), "-y", "--json", "@local", "empty.py"], self.folder)

    def limit(self) -> int:
        """One ssh a host, all at once, running our probe; it compares nothing."""
        files = [f"{state.ROOT}/lib/helper.pyz", f"~/{service.UNIT_FILE}", exports.PROFILE, toolkit.PREFERENCES]
        probe = shlex.quote(by_hand(query(state.ROOT, 8000, service.UNIT, files, [])))
        options = f"-F none -i {self.lab.ssh_key} -o UserKnownHostsFile={self.lab.known_hosts} -o LogLevel=ERROR -o KexAlgorithms=curve25519-sha256"
        begin = [
            f"ssh {options} ops@{host.address} {probe} </dev/null >{self.folder}/probe.{host.name} & jobs+=($!)"
            for host in self.chosen
        ]
        self.command(
            ["bash", "-es"], PROJECT, "\n".join(["jobs=()", *begin, 'for job in "${jobs[@]}"; do wait "$job"; done'])
        )
        if short := [host.name for host in self.chosen if (self.folder / f"probe.{host.name}").stat().st_size < ANSWER]:
            sys.exit(f"the probe of {', '.join(short)} did not answer. Look at benchmarks/peers/tools.py.")
        return 0


def get() -> None:
    """Ansible and mitogen in a venv of their own, once for each list of versions."""
    wanted, mark = (HERE / "requirements.txt").read_text(), VENV / "requirements.txt"
    if not mark.exists() or mark.read_text() != wanted:
        print(f"getting ansible-core and mitogen into {VENV}", file=sys.stderr)
        shell([sys.executable, "-m", "venv", "--clear", VENV])
        shell([VENV / "bin" / "python", "-m", "pip", "install", "--quiet", "-r", HERE / "requirements.txt"])
        mark.write_text(wanted)


@contextmanager
def far(fleet: Fleet) -> Iterator[None]:
    """The controller stands behind a slow cable."""
    tag, name = fleet.lab.settings.tag, f"{fleet.lab.settings.tag}-far"
    netns.delete(name)  # what a killed run left
    shell(["ip", "netns", "add", name])
    address = f"{fleet.lab.settings.net}.250/24"
    argv = [sys.executable, "-m", "benchmarks.peers.cable", tag, name, address, str(MILLISECONDS)]
    process = subprocess.Popen(argv, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout is None or process.stdout.readline() != "laid\n":
            sys.exit("the slow cable could not be laid. Run without --far, or see that /dev/net/tun is there.")
        fleet.far = True
        yield
    finally:
        fleet.far = False
        process.kill()
        process.wait()
        netns.delete(name)
