"""Second run of full.py against one ssh round trip running the same probe, side by side, for 1 and 8 hosts.

    ./run python benchmarks/noop.py [HOSTS…]        # default 1 8; needs what tests/host needs

Hosts are WSL look-alikes on this machine, started from one converged layer. Printed: wall seconds (median of the
interleaved runs), remote commands a host, the controller's CPU seconds, and the ratio to the bare round trip.
"""

from __future__ import annotations

import os
import resource
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from facts.machine import by_hand, query
from plan import exports, service, toolkit
from tests.host.lab import Host, Lab, missing
from tests.host.product import BIG, inventory, run

ROUNDS = 5


def converged(lab: Lab, count: int, folder: Path) -> list[Host]:
    """Hosts that full.py finished with, all from one layer."""
    first = lab.host("h1", "wsl-24.04", [BIG])
    done = run(lab, inventory(lab, folder, [first], "ops"), "deploy/full.py", "-y")
    if done.code:
        sys.exit(done.text)
    first.save_layer("bench")
    first.destroy()
    return [lab.host(f"b{number}", "wsl-24.04", [BIG], layer="bench") for number in range(1, count + 1)]


def ssh_probe(lab: Lab, hosts: list[Host]) -> Callable[[], None]:
    """One ssh a host, in parallel, running the probe: the least that looking at a machine costs."""
    root = "~/.local/share/vllm-workstation"
    files = [f"{root}/lib/helper.pyz", f"~/{service.UNIT_FILE}", exports.PROFILE, toolkit.PREFERENCES]
    command = by_hand(query(root, 8000, service.UNIT, files, []))

    def once() -> None:
        options = f"-i {lab.ssh_key} -o UserKnownHostsFile={lab.known_hosts} -o LogLevel=ERROR"
        lines = [f"ssh {options} ops@{host.address} {shlex.quote(command)} </dev/null >/dev/null &" for host in hosts]
        lab.run(["bash", "-s"], text="\n".join([*lines, "wait"]))

    return once


def timed(action: Callable[[], object]) -> tuple[float, float]:
    """(wall, CPU of children) seconds."""
    before, since = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    action()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - since, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(lab: Lab, hosts: list[Host], folder: Path) -> None:
    """Print one row."""
    where = inventory(lab, folder, hosts, "ops")
    probe = ssh_probe(lab, hosts)

    def full() -> None:
        done = run(lab, where, "deploy/full.py", "-y", "--json")
        if done.code or done.changes:
            sys.exit(f"not a second run: {done.text}")

    full()
    probe()
    before = hosts[0].execs()
    full()
    execs = hosts[0].execs() - before
    rounds = [(timed(full), timed(probe)) for _ in range(ROUNDS)]
    wall, cpu, bare, bare_cpu = (
        statistics.median(values) for values in zip(*((*a, *b) for a, b in rounds), strict=True)
    )
    print(f"{len(hosts):5}  {wall:10.2f}  {execs:15}  {cpu:14.2f}  {bare:12.2f}  {bare_cpu:12.2f}  {wall / bare:6.1f}x")


def main(counts: list[int]) -> None:
    """Print the table."""
    if reason := missing():
        sys.exit(f"cannot run here: {reason}")
    lab = Lab.start()
    try:
        with tempfile.TemporaryDirectory() as name:
            hosts = converged(lab, max(counts), Path(name))
            print("hosts  full.py s  commands a host  controller CPU  one ssh s    its CPU s  ratio")
            for count in counts:
                measure(lab, hosts[:count], Path(name))
    finally:
        lab.stop()


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # every tool reads compiled modules, as its users have them
    main([int(word) for word in sys.argv[1:]] or [1, 8])
