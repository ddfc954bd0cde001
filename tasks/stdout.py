"""The terminal that people read."""

from __future__ import annotations

import sys
from io import TextIOWrapper


def forgiving() -> None:
    """One that knows only some characters shows ? for the others, where Python would raise UnicodeEncodeError."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
