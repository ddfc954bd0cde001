"""The dated tables of this folder."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:  # Ubuntu 22.04
    import tomli as tomllib


@cache
def table(name: str) -> dict[str, Any]:
    """`plan/<name>.toml`, read once."""
    return tomllib.loads(_text(name))


@cache
def digest(*names: str) -> str:
    """sha256 of some tables, to tell a plan that was made with older ones."""
    return hashlib.sha256("".join(_text(name) for name in names).encode()).hexdigest()


def parse(text: str) -> dict[str, Any]:
    """TOML text as plain data."""
    return tomllib.loads(text)


def _text(name: str) -> str:
    return (Path(__file__).parent / f"{name}.toml").read_text(encoding="utf-8")
