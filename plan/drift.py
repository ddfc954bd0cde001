"""Shared by what looks for drift."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

Wrong = tuple[str, str]  # code of problems.toml, evidence


class Ours(BaseModel):
    """What this project delivers to a machine: digests of files by absolute path, and of the locked tools."""

    model_config = ConfigDict(frozen=True)
    files: dict[str, str] = {}
    tools: str | None = None
