"""--whole: reality of the whole truth table, both versions of torch (works where this folder is named on the command line)."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --whole."""
    parser.addoption(
        "--whole", action="store_true", help="all cases of the truth table of library faults, about 15 minutes"
    )
