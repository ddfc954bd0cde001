"""Observe a lab's cache with one remote command."""

from __future__ import annotations

import json
from typing import Any

from pyinfra.api import FactBase, QuoteString, StringCommand
from typing_extensions import override

from facts import bundle


class Cache(FactBase[dict[str, Any] | None]):
    """
    Returns what `facts/probe/cache.py` saw, None where there is no python3:

    .. code:: python

        {"nginx": True, "files": {...}, "unit": {...}, "running": "…", ...}
    """

    @staticmethod
    @override
    def default() -> None:
        return None

    @override
    def command(self, query: str) -> StringCommand:
        """`query`: JSON text with `root` and `wheelhouse`."""
        words = [QuoteString(bundle.LOADER), QuoteString(bundle.probe()), "probe.cache", QuoteString(query)]
        python = StringCommand(f"{bundle.PYTHON} -I -c", *words)
        return StringCommand("if command -v python3 >/dev/null; then", python, "; else true; fi")

    @override
    def process(self, output: list[str]) -> dict[str, Any] | None:
        for line in output:
            if line.startswith("{"):
                seen: dict[str, Any] = json.loads(line)
                return seen
        return None
