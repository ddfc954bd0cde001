"""The doctor against one ssh round trip running the same probe, side by side, for 1 and 16 hosts.

    ./run python benchmarks/doctor.py [HOSTS…]        # default 1 16; needs what tests/host needs

Hosts are WSL look-alikes on this machine, started from one converged layer, all healthy. Printed: wall seconds (median of the
interleaved runs), the controller's CPU seconds, and the ratios to the bare round trip (`ssh HOST true`, and the probe itself).
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.noop import ROUNDS, converged, ssh_probe, timed
from tests.host.faults.machines import HEALTHY
from tests.host.lab import Host, Lab, missing
from tests.host.product import inventory, run

Times = dict[str, tuple[float, float]]


def main(counts: list[int]) -> None:
    """Measure each number of hosts and print a table and JSON."""
    why = missing()
    if why:
        sys.exit(f"cannot be measured here: {why}")
    lab = Lab.start()
    try:
        with tempfile.TemporaryDirectory() as name:
            hosts = converged(lab, max(counts), Path(name))
            for host in hosts:
                host.ssh(HEALTHY)
            rows = {count: measured(lab, hosts[:count], Path(name)) for count in counts}
    finally:
        lab.stop()
    print("| hosts | ssh true | ssh probe | doctor | doctor / ssh true | doctor / probe | controller CPU |")
    print("|---|---|---|---|---|---|---|")
    for count, row in rows.items():
        bare, probe, doctor = (row[name][0] for name in ("ssh", "probe", "doctor"))
        cpu = row["doctor"][1]
        print(
            f"| {count} | {bare:.2f} s | {probe:.2f} s | {doctor:.2f} s | {doctor / bare:.1f} | {doctor / probe:.1f} | {cpu:.2f} s |"
        )
    print(
        json.dumps(
            {
                str(count): {name: {"wall_s": w, "cpu_s": c} for name, (w, c) in row.items()}
                for count, row in rows.items()
            }
        )
    )


def measured(lab: Lab, hosts: list[Host], folder: Path) -> Times:
    """Median wall and CPU seconds of each, by turns."""
    where = inventory(lab, folder, hosts, "ops")
    actions: dict[str, Callable[[], object]] = {
        "ssh": bare(lab, hosts),
        "probe": ssh_probe(lab, hosts),
        "doctor": lambda: healthy(lab, where),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in actions}
    for _ in range(ROUNDS):
        for name, action in actions.items():
            found[name].append(timed(action))
    return {
        name: (statistics.median(wall for wall, _ in runs), statistics.median(cpu for _, cpu in runs))
        for name, runs in found.items()
    }


def bare(lab: Lab, hosts: list[Host]) -> Callable[[], None]:
    """`ssh HOST true` on new connections, all at once."""

    def once() -> None:
        options = f"-i {lab.ssh_key} -o UserKnownHostsFile={lab.known_hosts} -o LogLevel=ERROR"
        lines = [f"ssh {options} ops@{host.address} true </dev/null >/dev/null &" for host in hosts]
        lab.run(["bash", "-s"], text="\n".join([*lines, "wait"]))

    return once


def healthy(lab: Lab, where: Path) -> None:
    """One run of the doctor, which must find nothing. Raises RuntimeError where it finds something."""
    ended = run(lab, where, "deploy/doctor.py")
    if ended.code:
        raise RuntimeError(ended.text)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [1, 16])
