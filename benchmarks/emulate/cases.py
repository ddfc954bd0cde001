"""What is compared: the planner's flags, the old guide's, vLLM's own defaults, or flags from a file."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
GUIDE = [
    "--gpu-memory-utilization",
    "0.95",
    "--enforce-eager",
    "--max-model-len",
    "4096",
    "--max-num-batched-tokens",
    "256",
]
# A card of 8 to 24 GiB has no others; without them an H200 would take Hopper's, which no such card has.
BACKENDS = {"--moe-backend": "marlin", "--attention-backend": "TRITON_ATTN"}
UTILIZATION = "--gpu-memory-utilization"
DEFAULT_UTILIZATION = 0.92  # of vLLM 0.24.0
DRIVER_TAKES_GIB = 0.4  # what a card's total is more than what is free on it
PLAN_S = 60
NOWHERE = "/home/you"  # the home of the planner's described machine; no path below it exists


@dataclass(frozen=True)
class Case:
    """One start. GiB; `source` is plan, guide, defaults or file; `plan` is what the planner said (None: not asked)."""

    name: str
    free_gib: float
    source: str = "plan"
    total_gib: float = 0.0
    flags: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    plugin: str = "on"
    plan_args: list[str] = field(default_factory=list)
    plan: dict[str, Any] | None = None

    @property
    def total(self) -> float:
        """The emulated card's whole memory, GiB."""
        return self.total_gib or round(self.free_gib + DRIVER_TAKES_GIB, 3)


@dataclass(frozen=True)
class Described:
    """The machine around the emulated card, in the planner's words."""

    gpu: str = "NVIDIA H200"
    compute_capability: str = "9.0"
    driver: str = "580.95"
    pcie: str = "5x16"
    ram_gib: float = 128


def planned(case: Case, machine: Described) -> dict[str, Any]:
    """The planner's answer for this card: the one place that knows its command line and its JSON."""
    command = [sys.executable, "-m", "plan", "show", "--json", "--gpu", machine.gpu]
    command += ["--vram-total-gib", str(case.total), "--vram-free-gib", str(case.free_gib)]
    command += ["--compute-capability", machine.compute_capability, "--driver", machine.driver]
    command += ["--pcie", machine.pcie, "--ram-gib", str(machine.ram_gib)]
    command += ["--plugin", "off"] if case.plugin == "off" else []
    done = subprocess.run([*command, *case.plan_args], cwd=ROOT, capture_output=True, text=True, timeout=PLAN_S)
    if not done.stdout.strip():
        raise RuntimeError(f"the planner said: {done.stderr.strip()[-300:]}")
    told: dict[str, Any] = json.loads(done.stdout)
    told["env"] = {name: str(value) for name, value in told.get("env", {}).items() if NOWHERE not in str(value)}
    return told


def resolved(case: Case, machine: Described) -> Case:
    """The case with its flags: from the planner, the guide, nobody, or as the file has them."""
    if case.source == "plan":
        told = case.plan or planned(case, machine)
        flags, env = [*told["flags"], *case.flags], {**told["env"], **case.env}
        return dataclasses.replace(case, plan=told, flags=with_backends(flags), env=env)
    base = {"guide": GUIDE, "defaults": []}.get(case.source, [])
    return dataclasses.replace(case, flags=with_backends([*base, *case.flags]))


def with_backends(flags: list[str]) -> list[str]:
    """The backends of a small card where the flags name none."""
    missing = [(name, value) for name, value in BACKENDS.items() if not any(f.split("=")[0] == name for f in flags)]
    return flags + [word for pair in missing for word in pair]


def scaled(flags: list[str], share: float) -> list[str]:
    """The utilization as a share of the real GPU: `share` is the emulated total by the real one."""
    made, words, seen = [], iter(flags), False
    for word in words:
        name, _, value = word.partition("=")
        if name != UTILIZATION:
            made.append(word)
            continue
        seen = True
        made += [UTILIZATION, f"{float(value or next(words)) * share:.6f}"]
    return made if seen else [*made, UTILIZATION, f"{DEFAULT_UTILIZATION * share:.6f}"]


def read(path: Path) -> list[Case]:
    """Cases from a JSON list; a case with flags and no source is a file's own."""
    rows = json.loads(path.read_text())
    return [Case(**{"source": "file" if "flags" in row else "plan", **row}) for row in rows]


def made(free: list[float], guide: bool, defaults: bool, plugin: str) -> list[Case]:
    """The cases of the command line, card by card, so that what is compared runs close together."""
    plugins = ["on", "off"] if plugin == "both" else [plugin]
    found = []
    for gib in free:
        found += [Case(f"{gib:g}-plan" + ("-no-plugin" if one == "off" else ""), gib, plugin=one) for one in plugins]
        found += [Case(f"{gib:g}-guide", gib, "guide", plugin="off")] if guide else []
        found += [Case(f"{gib:g}-defaults", gib, "defaults", plugin="off")] if defaults else []
    return found
