"""The rows of cases.toml."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = Path(__file__).with_name("cases.toml")


@dataclass(frozen=True)
class Outcome:
    """What happens, and words of the message where it fails."""

    fails: bool
    words: str = ""

    @classmethod
    def of(cls, text: str) -> Outcome:
        """From "ok" or "fails: WORDS"."""
        state, _, words = text.partition(": ")
        if state not in ("ok", "fails"):
            raise ValueError(f"neither ok nor fails: {text}")
        return cls(state == "fails", words)

    def agrees(self, message: str | None) -> bool:
        """Whether this came to pass; `message` is None where nothing failed."""
        return message is None if not self.fails else message is not None and self.words in message


@dataclass(frozen=True)
class Case:
    """One row; cases.toml says what the fields are."""

    name: str
    base: str
    what: str
    imports: Outcome
    later: Outcome | None
    verdict: str
    do: tuple[str, ...] = ()
    ld: str = ""
    cwd: str = ""
    preload: tuple[str, ...] = ()
    hashed: str = ""
    unseen: bool = False
    repair: tuple[str, ...] = ()
    quick: bool = False


@dataclass(frozen=True)
class Table:
    """All rows, the bases and toolkits that they name."""

    cases: tuple[Case, ...]
    bases: dict[str, dict[str, Any]]
    toolkits: dict[str, dict[str, Any]]


def _case(row: dict[str, Any]) -> Case:
    row = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    later = Outcome.of(row.pop("later")) if "later" in row else None
    return Case(imports=Outcome.of(row.pop("import")), later=later, **row)


def load() -> Table:
    """The table; a TypeError or ValueError where a row is not one."""
    data = tomllib.loads(FILE.read_text())
    return Table(tuple(map(_case, data["case"])), data["base"], data["toolkit"])
