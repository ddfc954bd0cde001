"""The doctor on some hosts against one ssh round trip each, side by side: `python -m benchmarks.doctor INVENTORY [--rounds 5]`.

The inventory is of pyinfra's; its hosts must be set up. The round trip is `ssh HOST true` on a new connection, all hosts at once.
"""

from __future__ import annotations

import argparse
import json
import runpy
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

PYINFRA = Path(sys.executable).parent / "pyinfra"
Row = tuple[str, dict[str, Any]]


def main(argv: list[str] | None = None) -> None:
    """Run both by turns, print medians and their ratio, and the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("inventory", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(argv)
    hosts = [row for row in runpy.run_path(str(options.inventory))["lab"] if isinstance(row, tuple)]
    times: dict[str, list[float]] = {"ssh": [], "doctor": [], "pyinfra": []}
    for _ in range(options.rounds):
        times["ssh"].append(timed(lambda: ssh(hosts)))
        times["doctor"].append(timed(lambda: pyinfra(options.inventory, "deploy/doctor.py")))
        times["pyinfra"].append(timed(lambda: pyinfra(options.inventory, "exec", "--", "true")))
    show(len(hosts), {name: statistics.median(found) for name, found in times.items()})


def timed(act: Any) -> float:
    """Seconds that it takes."""
    since = time.perf_counter()
    act()
    return time.perf_counter() - since


def ssh(hosts: list[Row]) -> None:
    """One new connection and `true` to each, all at once."""
    with ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(_one, hosts))


def _one(row: Row) -> None:
    name, data = row
    argv = ["ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    argv += ["-i", data["ssh_key"]] if data.get("ssh_key") else []
    argv += [
        "-p",
        str(data.get("ssh_port", 22)),
        f"{data.get('ssh_user', 'root')}@{data.get('ssh_hostname', name)}",
        "true",
    ]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def pyinfra(*words: object) -> None:
    """The command line; the doctor's exit code is what it found."""
    argv = [str(PYINFRA), "-y", *map(str, words)]
    subprocess.run(argv, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def show(hosts: int, seconds: dict[str, float]) -> None:
    """The table, and what it comes to."""
    print("| hosts | ssh HOST true, all at once | pyinfra INVENTORY exec -- true | doctor | doctor / ssh |")
    print("|---|---|---|---|---|")
    ratio = seconds["doctor"] / seconds["ssh"]
    print(
        f"| {hosts} | {seconds['ssh']:.2f} s | {seconds['pyinfra']:.2f} s | {seconds['doctor']:.2f} s | {ratio:.1f} |"
    )
    print(json.dumps({"hosts": hosts, "median_s": seconds}))


if __name__ == "__main__":
    main()
