"""A second run over many machines: ours beside plain pyinfra, Ansible tuned, Ansible with mitogen, and the least that a look costs.

    ./run python benchmarks/fleet.py [--hosts 1 8 16] [--rounds 5] [--far] [--json FILE]     # needs what tests/host needs

All keep the same state (peers/state.py, read from a machine that full.py finished with), over new ssh connections, interleaved; printed are
medians: wall s, controller CPU s, remote commands a host, and the ratio to one ssh a host that runs our probe. `--far`: with 20 ms of latency.
Before anything is measured each of them must see what was broken, one thing of each kind, mend it, and change nothing after that.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.noop import converged
from benchmarks.peers import broken, cost, tools
from benchmarks.peers.tools import MILLISECONDS, Fleet, Run
from tests.host.lab import Lab, missing

TRIPS = 1.5  # what a second run may take: start-up and so many of the shortest round trips
Row = dict[str, Any]


def proved(fleet: Fleet) -> None:
    """Every tool sees all that is broken, mends it, and then changes nothing; the state is read without any of them."""
    fleet.use(1)
    for name, tool in fleet.tools.items():
        gone = broken.all_wrong(fleet.hosts[0], name == "ours")
        seen = broken.wrong(fleet.hosts[0], fleet.items, fleet.folder / "seen")
        if len(seen) != sum(1 + one.under for one in gone):
            sys.exit(f"{len(gone)} things were broken, and these are seen: {seen}. Look at benchmarks/peers/broken.py.")
        changed = tool()
        left, again = broken.wrong(fleet.hosts[0], fleet.items, fleet.folder / "seen"), tool()
        if changed != (1 if name == "ours" else len(gone)) or left or again:  # ours is one operation a host
            sys.exit(f"{name} changed {changed} of {len(gone)} broken things, left {left}, and then changed {again}")
        print(f"{name} mended {len(gone)} things that were broken, and then changed nothing", file=sys.stderr)


def measured(fleet: Fleet, count: int, rounds: int) -> list[Row]:
    """A row a tool."""
    fleet.use(count)
    every = fleet.tools | fleet.measures
    seen: dict[str, list[tuple[float, float, float]]] = {name: [] for name in every}
    for tool in every.values():
        tool()
    for number in range(rounds):
        order = list(every)[number % len(every) :] + list(every)[: number % len(every)]
        for name in order:
            seen[name].append(once(fleet, every[name]))
    limit = statistics.median(wall for wall, _, _ in seen["limit"])
    return [_row(name, fleet, values, limit) for name, values in seen.items()]


def once(fleet: Fleet, tool: Run) -> tuple[float, float, float]:
    """(wall s, controller CPU s, the most remote commands on a host) of a run that changes nothing."""
    before, used, fleet.seconds = [host.execs() for host in fleet.chosen], cost.cpu(), 0.0
    if changed := tool():
        sys.exit(f"{changed} changes in what should be a second run")
    commands = max(host.execs() - was for host, was in zip(fleet.chosen, before, strict=True))
    time.sleep(0.2)  # sessions end
    return fleet.seconds, cost.cpu() - used, commands


def _row(name: str, fleet: Fleet, values: Sequence[tuple[float, float, float]], limit: float) -> Row:
    walls, cpus, commands = zip(*values, strict=True)
    wall = statistics.median(walls)
    return {
        "tool": name, "hosts": len(fleet.chosen), "latency_ms": 2 * MILLISECONDS if fleet.far else 0,
        "wall_s": wall, "cpu_s": statistics.median(cpus), "commands": max(commands), "ratio": wall / limit,
        "walls_s": walls, "cpus_s": cpus,
    }  # fmt: skip


def allowed(rows: list[Row]) -> Row:
    """How long ours may take with these hosts, and took."""
    wall = {row["tool"]: row["wall_s"] for row in rows}
    most = wall["start-up"] + TRIPS * wall["limit"]
    return {
        "hosts": rows[0]["hosts"],
        "latency_ms": rows[0]["latency_ms"],
        "wall_s": wall["ours"],
        "allowed_s": most,
        "within": wall["ours"] <= most,
    }


def further(rows: list[Row], tool: str) -> float | None:
    """Controller CPU seconds of a further host, by least squares over the counts of hosts; None with one count."""
    found = [(row["hosts"], row["cpu_s"]) for row in rows if row["tool"] == tool]
    if len({count for count, _ in found}) < 2:
        return None
    return statistics.linear_regression(*zip(*found, strict=True)).slope


def show(rows: list[Row]) -> None:
    """Part of the table, and whether ours is as fast as it must be."""
    for row in rows:
        figures = f"{row['wall_s']:6.2f}  {row['cpu_s']:14.2f}  {row['commands']:15}  {row['ratio']:6.1f}x"
        print(f"{row['tool']:8}  {row['hosts']:5}  {row['latency_ms']:10}  {figures}", flush=True)
    limits = allowed(rows)
    verdict = "within" if limits["within"] else "OVER"
    words = f"ours: {limits['wall_s']:.2f} s, {verdict} start-up + {TRIPS} x limit = {limits['allowed_s']:.2f} s"
    print(words, flush=True)


def show_further(rows: list[Row], names: Sequence[str]) -> None:
    """What a further host costs."""
    for name in names:
        slope = further(rows, name)
        if slope is not None:
            print(f"{name}: a further host costs {slope * 1000:.0f} ms CPU here")


def about() -> Row:
    """Where and with what this was measured."""
    return {
        "date": time.strftime("%Y-%m-%d"), "cpus": os.cpu_count(), "load_before": os.getloadavg()[0], "python": platform.python_version(),
        "peers": (tools.HERE / "requirements.txt").read_text().split(),
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--hosts", nargs="+", type=int, default=[1, 8, 16])
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--far", action="store_true", help="with 20 ms of latency")
    options.add_argument("--json", type=Path)
    chosen = options.parse_args()
    if reason := missing():
        sys.exit(f"cannot run here: {reason}")
    told = about()
    tools.get()
    lab = Lab.start()
    try:
        with tempfile.TemporaryDirectory() as name:
            _all(lab, Path(name), chosen, told)
    finally:
        lab.stop()


def _all(lab: Lab, folder: Path, chosen: argparse.Namespace, told: Row) -> None:
    fleet = Fleet(lab, converged(lab, max(chosen.hosts), folder), folder)
    told |= {"rounds": chosen.rounds, "items": len(fleet.items), "rows": [], "allowed": []}
    proved(fleet)
    with tools.far(fleet) if chosen.far else nullcontext():
        _measure(fleet, chosen, told)


def _measure(fleet: Fleet, chosen: argparse.Namespace, told: Row) -> None:
    print("tool      hosts  latency ms  wall s  controller CPU  commands a host    ratio")
    rows: list[Row] = []
    for count in chosen.hosts:
        found = measured(fleet, count, chosen.rounds)
        show(found)
        rows += found
        told["rows"] += found
        told["allowed"].append(allowed(found))
        if chosen.json:  # after each count, so that a run cut short leaves what it has
            chosen.json.write_text(json.dumps(told, indent=1) + "\n")
    show_further(rows, list(fleet.tools))


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # every tool reads compiled modules, as its users have them
    main()
