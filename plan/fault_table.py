"""The tables of what logs say: see plan/faults.toml for their form."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict

from plan.evidence import How
from plan.toml import table

TABLES = ("faults_install", "faults_system", "faults_machine", "faults_memory", "faults_start")


class Row(BaseModel):
    """One way in which a log tells a cause."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    code: str
    family: str = ""
    says: tuple[str, ...]
    match: str | None = None
    around: tuple[str, ...] = ()
    wide: bool = False
    unless: tuple[str, ...] = ()
    stage: tuple[str, ...] = ()
    general: bool = False
    cause: str
    cause_zh: str
    fix: str
    fix_zh: str
    repair: str | None = None
    how: How
    source: str


class Kernel(BaseModel):
    """How lines of the kernel are told apart that have to do with us."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    codes: tuple[str, ...]
    names: tuple[str, ...]
    kills: str
    victim: str
    others: tuple[str, ...]


class Words(BaseModel):
    """The words of plan/faults.toml that tell no cause."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    symptoms: tuple[str, ...]
    harmless: tuple[str, ...]
    requests: tuple[str, ...]
    serving: tuple[str, ...]
    begin: str
    stops: tuple[str, ...]
    installed: str
    ended: tuple[str, ...]
    failing: str
    fault: list[dict[str, Any]]
    kernel: Kernel


@cache
def rows() -> list[Row]:
    """Every row, in the order of the tables."""
    return [Row.model_validate(row) for name in TABLES for row in table(name)["fault"]]


@cache
def words() -> Words:
    """What is no cause, and the row for what nobody knows."""
    return Words.model_validate(table("faults"))


@cache
def expression(pattern: str) -> re.Pattern[str]:
    """A compiled pattern of a row."""
    return re.compile(pattern)
