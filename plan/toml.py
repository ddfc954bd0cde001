"""The dated tables of this folder."""

from __future__ import annotations

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
    return tomllib.loads((Path(__file__).parent / f"{name}.toml").read_text())
