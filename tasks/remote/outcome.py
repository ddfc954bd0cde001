"""How a start ended, for the next plan: where memory ran out and by how much, or what it took. See plan/stages.toml."""

from __future__ import annotations

import json
import re
import time
from typing import Any, Dict, List, Optional

from . import common

KEPT = 20  # failures remembered
LINE = 2000  # characters of a line that are looked at for it
WORDS = 240  # characters of the telling line
NEAR = 12  # lines before a telling line in which its cause is looked for, and 3 after it
FAILED = re.compile(r"Error\b|ERROR|Traceback|Failed with result")
MIB = {"bytes": 1 / (1 << 20), "B": 1 / (1 << 20), "KiB": 1 / 1024, "MiB": 1.0, "GiB": 1024.0, "TiB": 1048576.0}
PREFIX = re.compile(
    r"^(\x1b\[[\d;]*m|\(\w+[^)]*\) ?|(ERROR|WARNING|INFO|CRITICAL) [\d-]+ [\d:.]+ ?|\[[^\]]+\] |\[rank\d+\]: ?)+"
)

Lines = List[str]
Table = Dict[str, Any]


def classify(lines: Lines, table: Table) -> Optional[Dict[str, Any]]:
    """`stage`, `short_mib` and `words` of the start that ran out of memory; None where no words of the log say so."""
    for attempt in reversed(_attempts(lines, table["begin"])):
        for rule in table["memory"]:
            number = _first(attempt, rule)
            if number is not None:
                stage = rule.get("stage") or _stage(attempt[: number + 1], table["stage"])
                words = PREFIX.sub("", attempt[number][:LINE]).strip()[:WORDS]
                return {"stage": stage, "short_mib": _short(attempt, number, rule.get("short")), "words": words}
        if any(FAILED.search(line) for line in attempt):
            return None  # the last start that failed did so for another reason
    return None


def measured(lines: Lines, table: Table) -> Dict[str, Any]:
    """What the last start in the log says that it took: GiB, tokens, and MiB free before it."""
    text, found = "\n".join(_attempts(lines, table["begin"])[-1]), {}  # type: str, Dict[str, Any]
    for name, pattern in table["measured"].items():
        match = re.search(pattern, text)
        if match:
            number = _number(next((group for group in match.groups() if group), ""))
            if number is not None:
                found[name] = int(number) if name.endswith("_tokens") else number
    if "free_gib" in found:
        found["free_mib"] = round(found.pop("free_gib") * 1024)
    return found


def _number(text: str) -> Optional[float]:
    """A figure of a log; None where it is none."""
    try:
        number = float(text.replace(",", ""))
    except ValueError:
        return None
    return number if abs(number) < 1e12 else None


def _attempts(lines: Lines, begin: str) -> List[Lines]:
    """The log cut where a start begins; a supervisor may have begun another one before we read."""
    found = [[]]  # type: List[Lines]
    for line in lines:
        if re.search(begin, line):
            found.append([])
        found[-1].append(line)
    return found


def _first(lines: Lines, rule: Dict[str, Any]) -> Optional[int]:
    for number, line in enumerate(lines):
        around = lines[max(0, number - NEAR) : number + 4]
        if re.search(rule["text"], line) and ("near" not in rule or re.search(rule["near"], "\n".join(around))):
            return number
    return None


def _stage(lines: Lines, stages: List[Dict[str, str]]) -> str:
    """The furthest stage whose marker was seen."""
    text = "\n".join(lines)
    seen = [row["name"] for row in stages if row["marker"] and re.search(row["marker"], text)]
    return str((seen or [stages[0]["name"]])[-1])


def _short(lines: Lines, number: int, pattern: Optional[str]) -> Optional[int]:
    """MiB that were missing, where the words say so, in the telling lines or else anywhere in this start."""
    if pattern is None:
        return None
    for text in ("\n".join(lines[number : number + 4]), "\n".join(lines)):
        match = re.search(pattern, text, re.S)
        if match:
            return max(0, round(_mib(match, "wanted") - _mib(match, "free")))
    return None


def _mib(match: Any, name: str) -> float:
    """A named figure in MiB; without a unit it is GiB, and where it is not named nothing."""
    groups = match.groupdict()
    return (_number(groups.get(name) or "0") or 0.0) * MIB.get(groups.get(name + "_unit") or "GiB", 0.0)


def failed(root: str, plan: Dict[str, Any], lines: Lines) -> Optional[Dict[str, Any]]:
    """Remember the start of this plan that just failed; None where that was not for want of memory on a planned card."""
    told = classify(lines, plan["stages"]) if plan.get("stages") and plan.get("card") else None
    if told is None:
        return None
    told = dict(told, spec=plan.get("spec"), card=plan["card"], when=_now())
    known = load(root)
    _write(root, dict(known, failures=(known["failures"] + [told])[-KEPT:]))
    return told


def served(root: str, plan: Dict[str, Any], lines: Lines) -> None:
    """Remember what the start that has just answered took; where its log does not say, what was known of it stays."""
    figures = measured(lines, plan["stages"]) if plan.get("stages") and plan.get("card") else {}
    if figures:
        known = load(root)
        left = [one for one in known["failures"] if not _answered(one, plan["card"])]
        told = dict(figures, spec=plan.get("spec"), card=plan["card"], when=_now())
        _write(root, dict(known, failures=left, measured=told))


def _answered(one: Any, card: Dict[str, Any]) -> bool:
    """Whether a failure is of the question that has just been answered, with no more memory free: its lesson is in that plan."""
    try:
        return bool(one["card"]["key"] == card["key"] and one["card"]["free_mib"] <= card["free_mib"])
    except (KeyError, TypeError):
        return False


def sentence(told: Dict[str, Any], table: Table) -> str:
    """`the card ran out of memory while loading (276 MiB short): trying with less on the card`."""
    row = next(row for row in table["stage"] if row["name"] == told["stage"])
    short = " (%d MiB short)" % told["short_mib"] if told["short_mib"] else ""
    return "%s%s: %s" % (row["words"], short, row["then"])


def load(root: str) -> Dict[str, Any]:
    """What is remembered, whole in form whatever the file holds."""
    found = common.load(root + "/service/outcomes.json")
    found = found if isinstance(found, dict) else {}
    failures = found.get("failures")
    return {"failures": failures if isinstance(failures, list) else [], "measured": found.get("measured")}


def _write(root: str, outcomes: Dict[str, Any]) -> None:
    common.write(root + "/service/outcomes.json", json.dumps(outcomes, indent=1), 0o600)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
