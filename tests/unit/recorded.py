"""The recorded real outputs of tests/data/recorded, and what a correct parser returns for each."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from _pytest.mark.structures import ParameterSet

if sys.version_info >= (3, 11):
    import tomllib
else:  # Ubuntu 22.04
    import tomli as tomllib

REPOSITORY = Path(__file__).parent.parent.parent
DATA = REPOSITORY / "tests" / "data"
RECORDED = DATA / "recorded"
INDEX: list[dict[str, Any]] = tomllib.loads((RECORDED / "sources.toml").read_text())["recorded"]


class Recording(NamedTuple):
    """One row of sources.toml."""

    file: str
    command: str
    expect: dict[str, Any]

    @property
    def text(self) -> str:
        """What was printed, as the probe reads files."""
        return (RECORDED / self.file).read_bytes().decode("utf-8", "replace")


def recordings(folder: str, *keys: str) -> list[Recording]:
    """Rows of a folder whose expected values name all of `keys`."""
    rows = [Recording(row["file"], row.get("command", ""), row.get("expect", {})) for row in INDEX]
    return [row for row in rows if row.file.startswith(folder + "/") and all(key in row.expect for key in keys)]


def cases(rows: list[Recording]) -> list[ParameterSet]:
    """The rows as pytest parameters, named by their files; an empty selection would test nothing."""
    assert rows
    return [pytest.param(row, id=row.file) for row in rows]
