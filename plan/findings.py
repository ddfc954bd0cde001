"""What a finding means to a person: severity, cause, fix and risk, in two languages. See plan/findings.toml."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from plan.report import Actor, Diagnosis, Severity, Words
from plan.toml import table

OBEYED = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
LONGEST = 1000  # characters of evidence
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


def tell(code: str, evidence: str, fix: str = "", actor: Actor | None = None) -> Diagnosis:
    """The finding in full. `fix`: an English sentence that names this machine's values, which goes before the table's."""
    row = rows()[code]
    who: Actor = actor or row["actor"]
    return Diagnosis(
        code=code,
        severity=row["severity"],
        actor=who,
        evidence=plain(evidence),
        cause=Words(en=row["cause"], zh=row["cause_zh"]),
        fix=_fix(row, who, fix),
        risk=Words(**table("findings")["risks"][row["risk"]]),
    )


def plain(text: str) -> str:
    """Text without what a terminal or a page would obey: control characters, and marks that turn the direction of writing."""
    text = text if len(text) <= LONGEST else text[:LONGEST] + "…"
    return OBEYED.sub("", text.replace("\r\n", "\n").replace("\t", " "))


def _fix(row: dict[str, Any], actor: Actor, fix: str) -> Words:
    again = table("findings")["fixes"]["rerun"]
    if actor == "rerun":
        return Words(en=again["en"] + ".", zh=again["zh"] + "。")
    return Words(en=fix or row.get("fix", again["en"]) + ".", zh=row.get("fix_zh", again["zh"]) + "。")


def caused(code: str, among: set[str]) -> set[str]:
    """Codes among these that may be why this one is there."""
    return among & set(rows()[code].get("from", [])) if code in rows() else set()
