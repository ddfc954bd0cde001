"""Observe a whole machine with one remote command."""

from __future__ import annotations

import json
import shlex

from facts import bundle
from facts.probed import Probed


class Machine(Probed):
    """
    Returns everything that the planner wants to know of a machine, as `facts/probe` saw it:

    .. code:: python

        {"system": {...}, "wsl": {...}, "gpu": {...}, "packages": {...}, "apt": {...}, "toolkit": {...},
         "exports": {...}, "files": {...}, "releases": {...}, "weights": {...}, "service": {...}, "errors": {}}

    None where the target has no python3 to look with. `query`: see below.
    """

    module = "probe.main"


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
