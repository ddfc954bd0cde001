"""`python -m plan show`: the plan for this machine, or for a card that you describe. `python -m plan faults LOG`: what a log says."""

from __future__ import annotations

import argparse
import json
import re
import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from facts.probe import main as probe
from facts.probe.secrets import clean
from plan import faults, show
from plan.machine import Machine, typed
from plan.plain import plain
from plan.service import UNIT
from plan.settings import Settings, SettingsError, read
from tasks import stdout

DEFAULTS = Path(__file__).parent.parent / "group_data" / "all.py"
WISHES = (
    "max_num_seqs",
    "max_model_len",
    "max_num_batched_tokens",
    "gpu_memory_utilization",
    "kv_cache_dtype",
    "plugin",
    "vllm_release",
)


def parser() -> argparse.ArgumentParser:
    """The command line; without --gpu it is this machine that is looked at."""
    made = argparse.ArgumentParser(
        prog="python -m plan",
        description="Show what would be served and how, or what a log says, without touching anything.",
    )
    commands = made.add_subparsers(required=True)
    _faults(commands.add_parser("faults", help="the cause of what a log says, and what to do"))
    shown = commands.add_parser("show", help="the plan for this machine, or for a card that you describe")
    shown.set_defaults(run=showing)
    described = shown.add_argument_group("a card that you do not have here")
    described.add_argument("--gpu", help='name, such as "RTX 3060"')
    described.add_argument("--vram-total-gib", type=gib)
    described.add_argument("--vram-free-gib", type=gib, help="default: the total less 0.4, in WSL less 1.2")
    described.add_argument("--compute-capability", help="such as 8.6")
    described.add_argument("--driver", default="580.95.05", help="the NVIDIA driver, in WSL that of Windows")
    described.add_argument("--pcie", default="4x16", help="generation and lanes, such as 4x16")
    described.add_argument("--ram-gib", type=gib, default=32)
    described.add_argument("--wsl", action="store_true")
    _wishes(shown.add_argument_group("wishes (defaults: group_data/all.py)"))
    shown.add_argument("--json", action="store_true")
    return made


def gib(text: str) -> float:
    """A size on the command line. Raises ValueError, which argparse tells."""
    number = float(text)
    if not 0 <= number < 1e6:
        raise ValueError(text)
    return number


def _wishes(group: Any) -> None:
    group.add_argument("--users", type=int, dest="max_num_seqs")
    group.add_argument("--context", type=int, dest="max_model_len")
    group.add_argument("--batched-tokens", type=int, dest="max_num_batched_tokens")
    group.add_argument("--utilization", type=float, dest="gpu_memory_utilization")
    group.add_argument("--kv-cache-dtype")
    group.add_argument("--plugin")
    group.add_argument("--release", dest="vllm_release")


def described(options: argparse.Namespace) -> Machine:
    """A machine with the card of the command line and everything else in order."""
    missing = [name for name in ("vram_total_gib", "compute_capability") if getattr(options, name) is None]
    if missing:
        raise SettingsError(f"--gpu needs --{missing[0].replace('_', '-')} too")
    link = re.fullmatch(r"(\d)x(\d{1,2})", options.pcie)
    if link is None:
        raise SettingsError(f"--pcie is a generation and lanes, such as 4x16, not {options.pcie}")
    if not re.fullmatch(r"\d{1,2}\.\d", options.compute_capability):
        raise SettingsError(f"--compute-capability is a number such as 8.6, not {options.compute_capability}")
    usual = options.vram_total_gib - (1.2 if options.wsl else 0.4)
    free = usual if options.vram_free_gib is None else options.vram_free_gib
    gpu = {
        "index": 0, "name": options.gpu, "memory_total_mib": int(options.vram_total_gib * 1024), "memory_free_mib": int(free * 1024),
        "driver": options.driver, "compute_capability": options.compute_capability,
        "pcie_generation": int(link[1]), "pcie_width": int(link[2]),
    }  # fmt: skip
    system = {
        "os": {"id": "ubuntu", "version_id": "24.04", "name": "Ubuntu 24.04"}, "arch": "x86_64", "kernel": "6.8.0", "python": "3.12",
        "user": {"name": "you", "uid": 1000, "home": "/home/you"}, "sudo": {"present": True, "passwordless": True}, "systemd": True,
        "cpu_flags": ["avx2"], "pythons": {"3.12": {"headers": True, "venv": True}}, "memory": {"total_mib": int(options.ram_gib * 1024)},
    }  # fmt: skip
    wsl = {"version": 2, "dxg": True, "systemd_configured": True} if options.wsl else {"version": 0}
    return typed(
        {
            "system": system,
            "wsl": wsl,
            "gpu": {"devices": [gpu]},
            "packages": {"dpkg": True},
            "releases": {"root": "/home/you/vllm"},
        }
    )


def here(settings: Settings) -> Machine:
    """This machine, looked at."""
    query = {"root": settings.root, "port": settings.port, "unit": UNIT, "files": [], "models": [], "repository": ""}
    return typed(probe.gather(query))


def wanted(options: argparse.Namespace) -> Settings:
    """group_data/all.py with the wishes of the command line over it."""
    data = {
        name: value
        for name, value in runpy.run_path(str(DEFAULTS)).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    return read(data | {name: getattr(options, name) for name in WISHES if getattr(options, name) is not None})


def _faults(command: argparse.ArgumentParser) -> None:
    command.add_argument("log", help="a file with a log of vLLM, pip, uv, apt, systemd or WSL; - reads standard input")
    command.add_argument("--json", action="store_true")
    command.set_defaults(run=diagnosing)


def diagnosing(options: argparse.Namespace) -> int:
    """Print the causes that a log tells; 0 where nothing is wrong, 1 where deploy/full.py is to be run again, 2 where a person must act."""
    try:
        data = sys.stdin.buffer.read() if options.log == "-" else Path(options.log).read_bytes()
    except OSError as error:
        print(f"python -m plan faults: {options.log}: {error.strerror}. Name a log that you can read.", file=sys.stderr)
        return 2
    found = faults.diagnose(clean(data.decode("utf-8", "replace")))
    stdout.forgiving()
    if options.json:
        print(json.dumps([one.model_dump(include=set(TOLD)) for one in found], indent=1))
    else:
        print("\n\n".join(_said(one) for one in found) or "Nothing in this log says that something went wrong.")
    return max((2 if one.person else 1 for one in found), default=0)


TOLD = ("code", "cause", "fix", "evidence", "repair")


def _said(one: faults.Fault) -> str:
    lines = [
        f"{one.code}: {one.cause}",
        *(f"    {line}" for line in plain(one.evidence).splitlines()),
        f"  fix: {one.fix}",
    ]
    return "\n".join([*lines, *([f"  deploy/full.py {one.repair}"] if one.repair else [])])


def showing(options: argparse.Namespace) -> int:
    """Print the plan; 0 where there is one, 1 where it is refused, 2 for a bad command line."""
    try:
        settings = wanted(options)
        machine = described(options) if options.gpu else here(settings)
    except (SettingsError, ValueError) as error:
        print(f"python -m plan show: {error}", file=sys.stderr)
        return 2
    told = show.show(machine, settings)
    free = next((gpu.memory_free_mib / 1024 for gpu in machine.gpu.devices if gpu.memory_free_mib), None)
    print(json.dumps(told, indent=1) if options.json else show.text(told, free))
    return 1 if told["refused"] else 0


def main(argv: list[str]) -> int:
    """Run a command and return its exit code."""
    options = parser().parse_args(argv)
    code: int = options.run(options)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
