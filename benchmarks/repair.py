"""The library checker and the least repair on real torch wheels with real faults, against `uv pip check` and reinstalling torch.

    VLLM_WORKSTATION_TORCH_VENVS=FOLDER ./run python benchmarks/repair.py [--cases quick|all|a1,b2,…] [--runs N] [--out FOLDER]

Cases are those of tests/host/libraries/cases.toml; without the variable base venvs are made first (3 to 7 GB). Needs no GPU.
benchmarks/README.md says what the columns are.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.host.libraries import build, checker, healing, reality, table, wheels

LIMIT_S = 300.0
Row = dict[str, Any]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument(
        "--cases", default="quick", help="quick (torch 2.6.0, one of every kind), all, or names with commas"
    )
    made.add_argument("--runs", type=int, default=1, help="times that each program is timed on each case")
    made.add_argument("--json", action="store_true", help="print JSON instead of tables")
    made.add_argument("--out", type=Path, help="also write repair-DATE.json and .txt here")
    made.add_argument("--date", default=datetime.date.today().isoformat())
    made.add_argument("--no-guide", action="store_true", help="do not reinstall torch for comparison (3 GB, twice)")
    made.add_argument(
        "--checker", type=Path, default=checker.CHECKER, help="another checker with the same command line"
    )
    return made


def chosen(words: str) -> list[table.Case]:
    """The cases that --cases names. SystemExit where one does not exist."""
    cases = table.load().cases
    if words in ("quick", "all"):
        return [case for case in cases if case.quick or words == "all"]
    known = {case.name: case for case in cases}
    if unknown := set(words.split(",")) - set(known):
        sys.exit(f"no such cases: {', '.join(sorted(unknown))}")
    return [known[word] for word in words.split(",")]


def timed(action: Callable[[], object]) -> float:
    """Seconds."""
    since = time.monotonic()
    action()
    return time.monotonic() - since


def times(clone: build.Clone, program: Path, runs: int) -> dict[str, float]:
    """Median seconds of the three ways to look, taken in turn."""
    importing = [clone.python, "-I", "-c", "import torch"]
    ways: dict[str, Callable[[], object]] = {
        "checker_s": lambda: checker.ask(clone, program=program),
        "uv_s": lambda: uv_check(clone),
        "import_s": lambda: subprocess.run(
            importing, env=reality.environment(clone), cwd=clone.cwd, capture_output=True, timeout=LIMIT_S
        ),
    }
    rounds = [{name: timed(way) for name, way in ways.items()} for _ in range(runs)]
    return {name: round(statistics.median(each[name] for each in rounds), 3) for name in ways}


def uv_check(clone: build.Clone) -> str:
    """What `uv pip check` says: ok, or drift."""
    argv = [clone.store.uv, "pip", "check", "--python", clone.python]
    code = subprocess.run(argv, env=clone.store.environment(), capture_output=True, timeout=LIMIT_S).returncode
    return "drift" if code else "ok"


def row(store: wheels.Store, case: table.Case, folder: Path, options: argparse.Namespace) -> Row:
    """One case: looked at, timed, repaired."""
    clone = build.make(store, case, folder)
    try:
        real = reality.measure(clone)
        answer = checker.ask(clone, *(["--hash"] if case.hashed else []), program=options.checker)
        found: Row = {"case": case.name, "base": case.base, "what": case.what, "checker": answer.verdict}
        found |= {"uv": uv_check(clone), "real": real.verdict, "import": real.imports, "later": real.later}
        found |= times(clone, options.checker, options.runs)
        return found | (healing.heal(clone, options.checker) if case.repair else {})
    finally:
        build.remove(clone)


def guide(store: wheels.Store, folder: Path, program: Path) -> list[Row]:
    """The guide's remedy on a1: torch out, and in again; as it stands, and with everything that belongs to it pinned."""
    case = next(case for case in table.load().cases if case.name == "a1")
    pinned = f"resolve --reinstall {' '.join(store.table.bases[case.base]['install'][:3])}"
    found = []
    for steps in (["uninstall torch", "resolve torch"], [pinned]):
        clone = build.make(store, case, folder)
        try:
            found.append({"case": case.name, **healing.heal(clone, program, steps)})
        finally:
            build.remove(clone)
    return found


def summary(rows: list[Row], guides: list[Row]) -> Row:
    """The figures over all cases."""
    broken = [each for each in rows if each["real"] != "fine"]
    fine = [each for each in rows if each["import"] is None]
    repaired = [each["bytes"] for each in rows if "bytes" in each]
    whole = max((each["bytes"] for each in guides), default=0)
    median = {key: statistics.median(each[key] for each in fine or rows) for key in ("checker_s", "uv_s", "import_s")}
    return {
        "cases": len(rows),
        "broken": len(broken),
        "checker_sees": sum(each["checker"] == each["real"] for each in broken),
        "uv_sees": sum(each["uv"] != "ok" for each in broken),
        "healed": sum(each.get("healed", False) for each in rows),
        "repaired": len(repaired),
        "median_s_where_torch_imports": median,
        "import_over_checker": round(median["import_s"] / median["checker_s"], 1),
        "median_bytes": statistics.median(repaired) if repaired else None,
        "guide_over_median": round(whole / statistics.median(repaired), 1)
        if repaired and statistics.median(repaired)
        else None,
    }


def tables(result: Row) -> str:
    """For people."""
    lines = [
        f"{'case':13} {'checker':14} {'uv check':9} {'really':14} {'checker s':>9} {'uv s':>6} {'import s':>8} {'ratio':>6}"
    ]
    for each in result["cases"]:
        numbers = f"{each['checker_s']:9.2f} {each['uv_s']:6.2f} {each['import_s']:8.2f} {each['import_s'] / each['checker_s']:5.1f}x"
        lines.append(f"{each['case']:13} {each['checker']:14} {each['uv']:9} {each['real']:14} {numbers}")
    lines += ["", f"{'case':13} {'MB moved':>9} {'s':>6} {'whole/it':>9}  healed  repair"]
    whole = max((each["bytes"] for each in result["guide"]), default=0)
    for each in [*(row for row in result["cases"] if "bytes" in row), *result["guide"]]:
        ratio = f"{whole / each['bytes']:8.1f}x" if each["bytes"] else "     none"
        healed = "yes" if each["healed"] else "NO"
        how = "; ".join(each["repair"])
        lines.append(f"{each['case']:13} {each['bytes'] / 1e6:9.1f} {each['repair_s']:6.1f} {ratio}  {healed:6}  {how}")
    return "\n".join([*lines, "", json.dumps(result["summary"], indent=1)])


def write(options: argparse.Namespace, rows: list[Row], guides: list[Row], load: tuple[float, ...]) -> dict[str, str]:
    """The result so far as JSON and as text; also as files where asked."""
    machine = {"processors": os.cpu_count(), "load_before": load, "load_after": os.getloadavg(), "runs": options.runs}
    result = {"machine": machine, "cases": rows, "guide": guides, "summary": summary(rows, guides)}
    text = {"json": json.dumps(result, indent=1) + "\n", "txt": tables(result) + "\n"}
    for kind, content in text.items() if options.out else ():
        (options.out / f"repair-{options.date}.{kind}").write_text(content)
    return text


def measure(options: argparse.Namespace, root: Path) -> dict[str, str]:
    """All of it; the files are written again after each case."""
    load = os.getloadavg()
    (root / "cases").mkdir()
    store = wheels.Store(root, table.load())
    rows: list[Row] = []
    guides = [] if options.no_guide else guide(store, root / "cases", options.checker)
    for case in chosen(options.cases):
        rows.append(row(store, case, root / "cases", options))
        text = write(options, rows, guides, load)
        print(f"{case.name}: {rows[-1]['checker']}", file=sys.stderr, flush=True)
    return text


def main(argv: list[str]) -> int:
    """Print, and write where asked. 2 where nothing could be measured."""
    options = parser().parse_args(argv)
    given = os.environ.get(wheels.VENVS)
    root = Path(tempfile.mkdtemp(prefix="repair-", dir=given or None))
    try:
        text = measure(options, root)
    except wheels.Unavailable as reason:
        print(f"repair.py: {reason}", file=sys.stderr)
        return 2
    finally:
        build.away(root)
    print(text["json" if options.json else "txt"], end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
