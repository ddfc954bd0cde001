"""What a finding means to a person: severity, cause, fix and risk, in two languages. See plan/findings.toml."""

from __future__ import annotations

from functools import cache
from typing import Any

from plan.report import Actor, Diagnosis, Severity, Words
from plan.toml import table

DEFAULTS = {"severity": "error", "actor": "rerun", "risk": "none"}


@cache
def rows() -> dict[str, dict[str, Any]]:
    """Rows of the table by code, in its order: causes before what they cause."""
    return {row["code"]: {**DEFAULTS, **row} for row in table("findings")["finding"]}


def rank(code: str) -> int:
    """The place of a code in the table; a log's own codes come right before the server's symptoms."""
    order = list(rows())
    return order.index(code) if code in rows() else order.index("OTHER-START")


def severity(code: str) -> Severity:
    """error or warning."""
    found: Severity = rows()[code]["severity"]
    return found


def tell(
    code: str, evidence: str, fix: str = "", actor: Actor | None = None, which: str = "", **values: object
) -> Diagnosis:
    """The finding in full. `fix`: an English sentence that names this machine's values, which goes before the table's.

    `which`: the row's `fix_WHICH` instead of its `fix`, with these values in it.
    """
    row = rows()[code]
    who: Actor = actor or row["actor"]
    return Diagnosis(
        code=code,
        severity=row["severity"],
        actor=who,
        evidence=evidence,
        cause=Words(en=row["cause"], zh=row["cause_zh"]),
        fix=_fix(row, who, fix, which, values),
        risk=Words(**table("findings")["risks"][row["risk"]]),
    )


def again(how: str = "rerun") -> Words:
    """What to do where deploy/full.py mends it. `how`: rerun, or password where sudo asks for one."""
    words = table("findings")["fixes"][how]
    return Words(en=words["en"] + ".", zh=words["zh"] + "。")


def _fix(row: dict[str, Any], actor: Actor, fix: str, which: str, values: dict[str, object]) -> Words:
    if actor == "rerun":
        return again()
    name = f"fix_{which}" if which else "fix"
    english, chinese = fix or row.get(name, again().en), row.get(f"{name}_zh", again().zh)
    if which:
        english, chinese = english.format(**values), chinese.format(**values)
    return Words(en=english.removesuffix(".") + ".", zh=chinese.removesuffix("。") + "。")


def caused(code: str, among: set[str]) -> set[str]:
    """Codes among these that may be why this one is there."""
    return among & set(rows()[code].get("from", [])) if code in rows() else set()
