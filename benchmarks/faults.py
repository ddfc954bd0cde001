"""How long the diagnosis of a log takes: the recorded logs, mutations of them, and long ones: `python -m benchmarks.faults [--count 10000]`."""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time

from plan.faults import diagnose
from tests.unit.plan.test_faults import HEALTHY, RECORDED, mutated


def main(argv: list[str] | None = None) -> None:
    """Print a row for each kind of log: median, 99th percentile, longest, and how many took over 50 ms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    options = parser.parse_args(argv)
    texts, chance = [str(log["text"]) for log in RECORDED] + HEALTHY, random.Random(1)
    journal = "\n".join(
        f"Nov 22 10:11:12 pc vllm[1]: INFO 11-22 10:11:12 [loggers.py:1] Engine 000: line {n}" for n in range(1500)
    )
    kinds = {
        "recorded": texts,
        "mutated": [mutated(chance.choice(texts), chance) for _ in range(options.count)],
        "journal of 1,500 lines before it": [f"{journal}\n{text}" for text in texts],
    }
    diagnose("warm")
    print("| logs | count | largest | median | 99 % | longest | over 50 ms |")
    print("|---|---|---|---|---|---|---|")
    told = {}
    for name, logs in kinds.items():
        times = sorted(seconds(text) for text in logs)
        size = max(len(text) for text in logs)
        slow = sum(each > 0.05 for each in times)
        told[name] = {"count": len(logs), "median_s": statistics.median(times), "longest_s": times[-1], "slow": slow}
        middle, most, end = (
            1e3 * each for each in (statistics.median(times), times[int(len(times) * 0.99)], times[-1])
        )
        print(
            f"| {name} | {len(logs):,} | {size / 1000:.0f} kB | {middle:.2f} ms | {most:.2f} ms | {end:.2f} ms | {slow} |"
        )
    print(json.dumps(told))


def seconds(text: str) -> float:
    """Seconds that one log takes."""
    since = time.perf_counter()
    diagnose(text)
    return time.perf_counter() - since


if __name__ == "__main__":
    main()
