"""Observe a whole machine with one remote command."""

from __future__ import annotations

import json
import shlex
from typing import Any

from pyinfra.api import FactBase, QuoteString, StringCommand
from typing_extensions import override

from facts import bundle


class Machine(FactBase[dict[str, Any] | None]):
    """
    Returns everything that the planner wants to know of a machine, as `facts/probe` saw it:

    .. code:: python

        {"system": {...}, "wsl": {...}, "gpu": {...}, "packages": {...}, "apt": {...}, "toolkit": {...},
         "exports": {...}, "files": {...}, "releases": {...}, "weights": {...}, "service": {...}, "errors": {}}

    None where the target has no python3 to look with.
    """

    @staticmethod
    @override
    def default() -> None:
        return None

    @override
    def command(self, query: str) -> StringCommand:
        """`query`: JSON text with `root`, `port`, `unit`, `files`, `models`."""
        python = StringCommand(
            f"{bundle.PYTHON} -I -c",
            QuoteString(bundle.LOADER),
            QuoteString(bundle.probe()),
            "probe.main",
            QuoteString(query),
        )
        return StringCommand("if command -v python3 >/dev/null; then", python, "; else true; fi")

    @override
    def process(self, output: list[str]) -> dict[str, Any] | None:
        for line in output:
            if line.startswith("{"):
                seen: dict[str, Any] = json.loads(line)
                return seen
        return None


def query(
    root: str,
    port: int,
    unit: str,
    files: list[str],
    models: list[str],
    repository: str = "",
    hashes: bool | list[str] = False,
    logs: bool = False,
    host: str = "127.0.0.1",
) -> str:
    """The query of a probe, as its JSON text (stable, so that one question is one key).

    `hashes`: read every library and weight whole (True), or only the named distributions and files.
    `logs`: tell what the server said too. `host`: where it listens.
    """
    return json.dumps(
        {
            "root": root,
            "port": port,
            "unit": unit,
            "files": files,
            "models": models,
            "repository": repository,
            "hash": hashes,
            "logs": logs,
            "host": host,
        },
        sort_keys=True,
    )


def by_hand(text: str) -> str:
    """The command that asks `text` without pyinfra, for benchmarks and for people."""
    words = [bundle.LOADER, bundle.probe(), "probe.main", text]
    return f"{bundle.PYTHON} -I -c " + " ".join(shlex.quote(word) for word in words)
