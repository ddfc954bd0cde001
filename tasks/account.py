"""What a run found, did and left on one host: for people and as JSON."""

from __future__ import annotations

import re
from typing import Any

from plan.problems import Problem
from tasks.workstation import Workstation

AGAIN = "Run this again."
LINES = 12  # problems shown a host; the JSON report has all
FETCHED = re.compile(r"^Fetched ([\d.,]+) ([kMG]?)B in", re.M)  # apt-get's own sum
UNITS = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}


def account(ws: Workstation) -> dict[str, Any]:
    """`{problems: [{code, evidence, done, bytes, verified}], left: [{code, evidence, next}]}`; bytes stand at the first of those mended together."""
    paid: set[str] = set()
    rows = []
    after = None if ws.left is None else {problem.code for problem in ws.left}
    for problem in ws.first or []:
        if problem.step is None:
            continue
        source = problem.job or problem.step
        moved = 0 if source in paid else _bytes(ws, problem)
        paid.add(source)
        verified = after is not None and problem.code not in after
        rows.append(
            {
                "code": problem.code,
                "evidence": problem.evidence,
                "done": problem.done,
                "bytes": moved,
                "verified": verified,
            }
        )
    left = ws.left if ws.left is not None else ws.first or []
    return {
        "problems": rows,
        "left": [{"code": one.code, "evidence": one.evidence, "next": one.next or AGAIN} for one in left],
    }


def _bytes(ws: Workstation, problem: Problem) -> int:
    if problem.job:
        return ws.moved.get(problem.job, 0)
    return sum(fetched(text) for text in ws.printed.get(problem.step or "", []))


def fetched(text: str) -> int:
    """Bytes that apt-get says it fetched."""
    return sum(int(float(number.replace(",", "")) * UNITS[unit]) for number, unit in FETCHED.findall(text))


def lines(told: dict[str, Any], always: bool, planned: bool = False) -> list[str]:
    """The account for people: what was found and done, then what is left; empty where there is nothing to tell, unless `always`.

    `planned`: nothing was done yet, and what would be is said.
    """
    rows = [_line(row, planned) for row in told["problems"]]
    more = [f"and {len(rows) - LINES} more; report = FOLDER writes all"] if len(rows) > LINES else []
    known = {(row["code"], row["evidence"]) for row in told["problems"]}
    others = [one for one in told["left"] if (one["code"], one["evidence"]) not in known]
    count = len(told["left"])
    if not rows and not count and not always:
        return []
    end = [] if planned else [f"{count} problem{'' if count == 1 else 's'} left"]
    return [*rows[:LINES], *more, *(f"{one['code']}: {one['evidence']}. {one['next']}" for one in others[:LINES]), *end]


def _line(row: dict[str, Any], planned: bool) -> str:
    what = f"{row['code']}: {row['evidence']}"
    if planned:
        return f"{what}: would be {row['done']}"
    return f"{what}: {row['done']}, {size(row['bytes'])}, verified" if row["verified"] else f"{what}: not done. {AGAIN}"


def size(count: int) -> str:
    """Bytes for people: `0 B`, `21.1 MB`."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"
