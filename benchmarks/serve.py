"""Starts planned servers behind emulated cards and prints plan against measurement.

    python benchmarks/serve.py --free 12 --free 8 --guide --model /tmp/checkpoint --load-format auto --out OUT
    python benchmarks/serve.py --cases FILE.json --answers OUT/answers.json
    python benchmarks/serve.py --compare A.json B.json:CASE        # exit 1 where a token differs

Needs one large NVIDIA GPU for itself and vLLM in this Python; benchmarks/README.md says how to bring it to one, and how to read
the numbers. A run ends before --limit-s; the result file is written again after each case.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import shlex
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.emulate import answers, cases, runs, server


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = made.add_argument_group("what is started")
    what.add_argument(
        "--free",
        type=float,
        action="append",
        default=[],
        metavar="GIB",
        help="free memory of an emulated card; again for more",
    )
    what.add_argument("--guide", action="store_true", help="the old guide's flags too")
    what.add_argument("--defaults", action="store_true", help="vLLM's defaults too")
    what.add_argument("--cases", type=Path, help="JSON list of {name, free_gib, flags, env, plugin, plan_args}")
    what.add_argument("--plugin", choices=("on", "off", "both"), default="on")
    what.add_argument("--gpu-name", default="NVIDIA H200", help="what the planner takes the card for")
    what.add_argument("--write-cases", type=Path, help="only ask the planner, and write the cases with its answers")
    _how(made.add_argument_group("how"))
    made.add_argument("--compare", nargs=2, metavar="FILE", help="compare the answers of two files, FILE or FILE:CASE")
    return made


def _how(group: Any) -> None:
    group.add_argument("--model", type=Path, default=Path("/tmp/model"))
    group.add_argument("--load-format", choices=("dummy", "auto"), default="dummy")
    group.add_argument("--vllm", type=shlex.split, default=server.VLLM, help="the program, if not vLLM in this Python")
    group.add_argument("--out", type=Path, default=Path("results"))
    group.add_argument("--date", default=datetime.date.today().isoformat(), help="in the names of the files")
    group.add_argument("--limit-s", type=float, default=580)
    group.add_argument("--start-s", type=float, default=170, help="the longest that a start is waited for")
    group.add_argument(
        "--answers", type=Path, help="also ask fixed prompts, and keep tokens and log-probabilities here"
    )
    group.add_argument("--temperature", type=float, default=0.0, help="when the speed is measured")
    group.add_argument("--only-start", action="store_true", help="no speed, only start and memory (and --answers)")
    group.add_argument("--parallel", type=int, default=1, metavar="GPUS", help="this many GPUs, a case on each")


def wanted(options: argparse.Namespace) -> list[cases.Case]:
    """All cases, in order."""
    found = cases.read(options.cases) if options.cases else []
    return found + cases.made(options.free, options.guide, options.defaults, options.plugin)


def write_cases(options: argparse.Namespace) -> int:
    """The cases with the planner's answers in them, for a machine that the planner does not run on."""
    machine, found = cases.Described(options.gpu_name), wanted(options)
    asked = [
        dataclasses.replace(case, plan=cases.planned(case, machine)) if case.source == "plan" else case
        for case in found
    ]
    options.write_cases.write_text(json.dumps([dataclasses.asdict(case) for case in asked], indent=1) + "\n")
    return 0


def main(argv: list[str]) -> int:
    """0 where every case serves, or every token is the same; 1 where not; 2 where nothing could be run."""
    options = parser().parse_args(argv)
    if options.compare:
        return answers.compare(*options.compare)
    if not wanted(options):
        parser().error("name a card with --free, or cases with --cases")
    try:
        return write_cases(options) if options.write_cases else runs.run(options, wanted(options))
    except RuntimeError as error:
        print(f"serve.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
