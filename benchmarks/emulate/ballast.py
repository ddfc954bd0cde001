"""A child process that holds GPU memory, so that only as much is free as a small card would have.

Plain allocations only: managed memory beyond what the card has can hang it. The child takes one number a line (GiB to leave free)
and answers each with one JSON line: {"free_gib", "total_gib"}; its first line also has "pcie_gb_s", the measured rate at which pinned
host memory reaches the GPU. A child that does not answer is ended by the run's hard stop.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.emulate.limits import Groups, OutOfTime

GIB = 1 << 30
CHUNK = 8 * GIB
PROBE = 256 << 20  # bytes a copy when the link is measured
NEAR_GIB = 0.02  # how exactly the free memory is met
ROOT = Path(__file__).parents[2]


@dataclass
class Ballast:
    """The child on one GPU."""

    process: subprocess.Popen[str]
    total_gib: float
    pcie_gb_s: float

    @classmethod
    def on(cls, gpu: int, groups: Groups) -> Ballast:
        """Start it; nothing is held yet."""
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": str(gpu)}
        command = [sys.executable, "-m", "benchmarks.emulate.ballast"]
        pipe = subprocess.PIPE
        child = subprocess.Popen(
            command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True, env=environment, start_new_session=True
        )
        groups.started.add(child.pid)
        first = _answer(child)
        return cls(child, first["total_gib"], first["pcie_gb_s"])

    def leave(self, free_gib: float) -> float:
        """Hold all but so many GiB; returns what is free then, GiB."""
        assert self.process.stdin
        self.process.stdin.write(f"{free_gib}\n")
        self.process.stdin.flush()
        found: float = _answer(self.process)["free_gib"]
        if abs(found - free_gib) > NEAR_GIB:
            raise RuntimeError(f"the ballast left {found:.2f} GiB free instead of {free_gib:.2f}: is the GPU shared?")
        return found


def _answer(child: subprocess.Popen[str]) -> dict[str, Any]:
    assert child.stdout
    if not (line := child.stdout.readline()):
        raise OutOfTime if child.wait() == -9 else RuntimeError("the ballast ended; its message is above")
    answer: dict[str, Any] = json.loads(line)
    return answer


def _hold(torch: Any, held: list[Any], free_gib: float) -> None:
    """Release what is held, then take all but so many GiB."""
    held.clear()
    torch.cuda.empty_cache()
    for _ in range(4):  # what the allocator rounds is taken off in the second round
        spare = int(torch.cuda.mem_get_info()[0] - free_gib * GIB)
        while spare >= 2 << 20:
            held.append(torch.empty(min(spare, CHUNK), dtype=torch.uint8, device="cuda"))
            spare -= CHUNK


def _link_gb_s(torch: Any) -> float:
    """The best of five copies from pinned host memory, GB/s."""
    host = torch.empty(PROBE, dtype=torch.uint8).pin_memory()
    there = torch.empty(PROBE, dtype=torch.uint8, device="cuda")
    best = 0.0
    for _ in range(5):
        torch.cuda.synchronize()
        since = time.perf_counter()
        there.copy_(host, non_blocking=True)
        torch.cuda.synchronize()
        best = max(best, PROBE / (time.perf_counter() - since) / 1e9)
    return best


def child() -> None:
    """Answer one line with one line, until the end of the input."""
    import torch

    held: list[Any] = []
    told: dict[str, Any] = {"pcie_gb_s": round(_link_gb_s(torch), 1)}
    torch.cuda.empty_cache()
    while True:
        free, total = torch.cuda.mem_get_info()
        print(json.dumps({"free_gib": free / GIB, "total_gib": total / GIB, **told}), flush=True)
        if not (line := sys.stdin.readline()):
            return
        _hold(torch, held, float(line))
        told = {}


if __name__ == "__main__":
    child()
