"""Where on a machine our files lie."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Place(BaseModel):
    """Our directory, the user's home (both absolute) and the user's number."""

    model_config = ConfigDict(frozen=True)
    root: str
    home: str
    uid: int
