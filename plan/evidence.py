"""Words for why: a decision, a refusal, a note, each with how we know."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

How = Literal["measured", "read", "reported"]


class Reason(BaseModel):
    """One decision in one sentence, with its evidence."""

    model_config = ConfigDict(frozen=True)
    text: str
    evidence: How = "read"
    date: str = "2026-11-22"


class Refusal(BaseModel):
    """Why nothing is done on this machine, and what to do about it. `missing_gib`: how far it is from what would do."""

    model_config = ConfigDict(frozen=True)
    code: str
    message: str
    remedy: str
    missing_gib: float = 0.0

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}"


class Note(BaseModel):
    """Something the user should know or do; it stops nothing."""

    model_config = ConfigDict(frozen=True)
    code: str
    message: str
