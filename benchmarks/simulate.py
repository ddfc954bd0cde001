"""A second run of full.py over many simulated workstations: the controller's time and memory against their number.

    ./run python benchmarks/simulate.py [HOSTS…] [--rounds N] [--json FILE]      # default 1 100 300 1000; needs nothing

The real `pyinfra -y INVENTORY deploy/full.py` runs over pyinfra's `@fake` connector. Every machine answers the probe with the recorded
answer of a real converged one (data/probe.json.gz), brought to what this version of the project plans and delivers, with a user,
a free disk and a process of its own. There is no ssh in it: fleet.py has what a connection costs.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from plan.machine import File, Venv, typed
from tasks import helper
from tests.unit.machines import finished

HERE = Path(__file__).parent
PROJECT = HERE.parent
RECORDED = HERE / "data" / "probe.json.gz"
PYINFRA = Path(sys.executable).parent / "pyinfra"
USERS = 20  # different ones; each has plans and digests of its own
FREE = 75_444_756_480  # bytes of disk
INVENTORY = """
from pathlib import Path

_answers = [path.read_text() for path in sorted(Path({folder!r}).glob("answer-*.json"))]


def _data(number):
    own = _answers[number % len(_answers)].replace('"free_bytes":{free}', f'"free_bytes":{{{free} + 4096 * number}}')
    return {{"fake_delay": 0, "fake_delay_jitter": 0, "fake_responses": {{"probe.main": own}}}}


lab = [(f"@fake/pc-{{number:04}}", _data(number)) for number in range({count})]
"""


def answer(user: str = "ops") -> str:
    """What a converged workstation says today: recorded, with the files, tools and server that this version plans for this user."""
    recorded = gzip.decompress(RECORDED.read_bytes()).decode().replace("/home/ops", f"/home/{user}")
    seen: dict[str, Any] = json.loads(recorded)
    seen["system"]["user"]["name"], seen["system"]["disk"]["free_bytes"] = user, FREE
    done = finished(
        typed({**seen, "releases": {"root": seen["releases"]["root"]}, "weights": {}, "service": {}, "errors": {}})
    )
    root = done.releases.root
    tools = Venv(**{**seen["releases"]["tools"], "complete": {"digest": helper.tools_digest()}})
    ours = {helper.path(root): helper.digest(), f"{root}/lib/{helper.DEFAULTS}": helper.sha256(helper.defaults())}
    files = {
        **done.files,
        **{path: File(kind="file", mode="600", uid=1000, sha256=digest) for path, digest in ours.items()},
    }
    whole = done.model_copy(update={"releases": done.releases.model_copy(update={"tools": tools}), "files": files})
    return whole.model_dump_json().replace("/home/ops", f"/home/{user}")  # what tests/unit/machines.py adds


def write(folder: Path) -> int:
    """Each user's answer; the size of one in bytes."""
    texts = [answer(f"u{number:02}") for number in range(USERS)]
    for number, text in enumerate(texts):
        (folder / f"answer-{number:02}.json").write_text(text)
    return len(texts[0].encode())


def once(count: int, folder: Path) -> tuple[float, float, float]:
    """(wall s, controller CPU s, peak RSS MiB) of one run."""
    (folder / "inventory.py").write_text(INVENTORY.format(folder=str(folder), free=FREE, count=count))
    argv = [str(PYINFRA), "-y", str(folder / "inventory.py"), "deploy/full.py", "--data", f"report={folder}"]
    environment = {**os.environ, "PYINFRA_PROGRESS": "off"}
    since = time.monotonic()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(argv, cwd=PROJECT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
    told = json.loads((folder / "run.json").read_text())["hosts"]
    if status or {host["state"] for host in told.values()} != {"unchanged"} or len(told) != count:
        sys.exit(f"not a second run of {count}: {(folder / 'log').read_text()[-2000:]}")
    return time.monotonic() - since, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def line(counts: list[int], values: list[float]) -> tuple[float, float]:
    """(a further host's share by least squares, the largest distance from that line as a share of the largest value)."""
    if len(set(counts)) < 2:
        return 0.0, 0.0
    slope, start = statistics.linear_regression(counts, values)
    return slope, max(abs(start + slope * count - value) for count, value in zip(counts, values, strict=True)) / max(
        values
    )


def main(argv: list[str]) -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("counts", nargs="*", type=int, default=[1, 100, 300, 1000])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--json", type=Path)
    chosen = options.parse_args(argv)
    rows = []
    print("hosts  wall s  controller CPU s  peak RSS MiB")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = write(folder)
        once(1, folder)  # Python compiles what changed
        for count in chosen.counts:
            measured = [once(count, folder) for _ in range(chosen.rounds)]
            wall, cpu, rss = (statistics.median(values) for values in zip(*measured, strict=True))
            rows.append({"hosts": count, "wall_s": wall, "cpu_s": cpu, "rss_mib": rss})
            print(f"{count:5}  {wall:6.2f}  {cpu:16.2f}  {rss:12.0f}")
    marginal = {key: line(chosen.counts, [row[key] for row in rows]) for key in ("wall_s", "cpu_s", "rss_mib")}
    print(
        f"a further host: {marginal['cpu_s'][0] * 1000:.1f} ms CPU, {marginal['rss_mib'][0] * 1024:.0f} KiB; ", end=""
    )
    print(
        f"off the line by {marginal['cpu_s'][1]:.1%} and {marginal['rss_mib'][1]:.1%} at most; each answer has {size:,} bytes"
    )
    if chosen.json:
        told = {
            "date": time.strftime("%Y-%m-%d"),
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
            "rows": rows,
            "rounds": chosen.rounds,
            "answer_bytes": size,
            "further_host": {key: value[0] for key, value in marginal.items()},
            "off_the_line": {key: value[1] for key, value in marginal.items()},
        }
        chosen.json.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # every tool reads compiled modules, as its users have them
    main(sys.argv[1:])
