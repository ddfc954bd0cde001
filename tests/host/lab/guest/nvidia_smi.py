#!/usr/bin/python3
"""Stand-in nvidia-smi: answers from /etc/standin-gpu.json.

Columns and their spelling follow `nvidia-smi --help-query-gpu`; the table follows branch 575.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

BLOCKED = (
    "Failed to initialize NVML: GPU access blocked by the operating system\n"
    "Failed to properly shut down NVML: GPU access blocked by the operating system"
)
UNITS = {"memory.total": "MiB", "memory.free": "MiB", "memory.used": "MiB"}
LINE = "+" + "-" * 41 + "+" + "-" * 24 + "+" + "-" * 22 + "+"


def uuid(index: int) -> str:
    """A stable made-up UUID."""
    return f"GPU-5a4d1d00-0000-4000-8000-{index:012d}"


def cells(index: int, gpu: dict[str, Any], facts: dict[str, Any]) -> dict[str, object]:
    """Every column known here; None is printed as [N/A]."""
    total, free = gpu["memory_total_mib"], gpu["memory_free_mib"]
    return {
        "index": index, "uuid": uuid(index), "gpu_uuid": uuid(index), "name": gpu["name"],
        "gpu_name": gpu["name"], "count": facts["count"], "driver_version": facts["driver"],
        "memory.total": total, "memory.free": free, "memory.used": total - free,
        "compute_cap": gpu["compute_capability"], "pci.bus_id": f"00000000:{index + 1:02X}:00.0",
        "pcie.link.gen.max": gpu["pcie_gen_max"], "pcie.link.gen.gpumax": gpu["pcie_gen_max"],
        "pcie.link.gen.hostmax": gpu["pcie_gen_max"], "pcie.link.width.max": gpu["pcie_width_max"],
        "pcie.link.gen.current": gpu["pcie_gen_current"],
        "pcie.link.gen.gpucurrent": gpu["pcie_gen_current"],
        "pcie.link.width.current": gpu["pcie_width_current"], "utilization.gpu": None,
        "display_active": "Disabled", "display_mode": "Disabled", "persistence_mode": "Enabled",
        "driver_model.current": None, "driver_model.pending": None, "mig.mode.current": None,
        "temperature.gpu": 41, "power.draw": None, "ecc.mode.current": None,
    }  # fmt: skip


def query(names: list[str], form: list[str], facts: dict[str, Any]) -> int:
    """--query-gpu=NAMES --format=FORM."""
    rows = [cells(i, gpu, facts) for i, gpu in enumerate(facts["gpus"])]
    for name in names:
        if name not in rows[0]:
            print(f'Field "{name}" is not a valid field to query.\n')
            return 2
    if "csv" not in form:
        print("\"--format=\" switch is missing. Please run 'nvidia-smi -h' for help.\n")
        return 2
    units = "nounits" not in form
    if "noheader" not in form:
        print(", ".join(n + (f" [{UNITS[n]}]" if n in UNITS else "") for n in names))
    for row in rows:
        print(", ".join(shown(row[n], UNITS.get(n, "") if units else "") for n in names))
    return 0


def shown(value: object, unit: str) -> str:
    """A cell as nvidia-smi prints it."""
    return "[N/A]" if value is None else f"{value} {unit}".strip()


def table(facts: dict[str, Any]) -> None:
    """The banner and a box a GPU."""
    print("Sun Nov 22 20:00:00 2026       ")
    print("+" + "-" * 89 + "+")
    left = f"NVIDIA-SMI {facts['smi']}"
    middle = f"Driver Version: {facts['driver']}"
    print(f"| {left:<33} {middle:<30} {'CUDA Version: ' + facts['cuda']:<22} |")
    print("|" + LINE[1:-1] + "|")
    print(f"| {'GPU  Name':<25}{'Persistence-M':>14} | {'Bus-Id          Disp.A':<22} | "
          f"{'Volatile Uncorr. ECC':<20} |")  # fmt: skip
    print(f"| {'Fan  Temp   Perf          Pwr:Usage/Cap':<39} | {'Memory-Usage':>22} | "
          f"{'GPU-Util  Compute M.':<20} |")  # fmt: skip
    print("|" + "=" * 41 + "+" + "=" * 24 + "+" + "=" * 22 + "|")
    for i, gpu in enumerate(facts["gpus"]):
        used = gpu["memory_total_mib"] - gpu["memory_free_mib"]
        memory = f"{used}MiB / {gpu['memory_total_mib']:>6}MiB"
        bus = f"00000000:{i + 1:02X}:00.0 Off"
        print(f"| {i:>3}  {gpu['name'][:27]:<27}{'On':>7} | {bus:>22} | "
              f"{'N/A':>20} |")  # fmt: skip
        print(f"| {'  0%   41C    P8            24W /  575W':<39} | {memory:>22} | "
              f"{'0%      Default':>20} |")  # fmt: skip
        print(LINE)


def main(args: list[str]) -> int:
    """The forms of the command that programs use."""
    with Path("/etc/standin-gpu.json").open() as file:
        facts: dict[str, Any] = json.load(file)
    options = dict(a.lstrip("-").split("=", 1) for a in args if "=" in a)
    if not facts["gpus"]:
        print(BLOCKED)
        return 255
    if "query-gpu" in options:
        names = [name.strip() for name in options["query-gpu"].split(",")]
        return query(names, [f.strip() for f in options.get("format", "").split(",")], facts)
    if any(name.startswith("query-") for name in options):
        return 0
    if "-L" in args or "--list-gpus" in args:
        for i, gpu in enumerate(facts["gpus"]):
            print(f"GPU {i}: {gpu['name']} (UUID: {uuid(i)})")
        return 0
    table(facts)
    return 0


sys.exit(main(sys.argv[1:]))
