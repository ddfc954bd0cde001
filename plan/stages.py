"""How a start that ran out of memory is told apart by its log: the table that the helper on the machine applies."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from plan.toml import table

Name = Literal["load", "profile", "kv", "graphs", "startup", "pinned"]


class Row(BaseModel):
    """Base of the table's rows: nothing unknown in them."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Stage(Row):
    """A part of a start: the line that begins it, and what to say when memory ran out in it."""

    name: Name
    marker: str
    words: str
    then: str


class Memory(Row):
    """Words that say that memory ran out, with what tells how much was missing."""

    text: str
    stage: Name | None = None
    near: str | None = None
    short: str | None = None
    evidence: str


class Stages(Row):
    """plan/stages.toml."""

    date: str
    begin: str
    stage: list[Stage]
    memory: list[Memory]
    measured: dict[str, str]


def known() -> Stages:
    """The whole table."""
    return Stages.model_validate(table("stages"))


def patterns() -> dict[str, Any]:
    """What of the table the helper needs, for service/plan.json."""
    return known().model_dump(exclude={"date": True, "memory": {"__all__": {"evidence"}}}, exclude_none=True)
