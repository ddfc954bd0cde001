"""What a module of facts/probe saw, by one remote command that writes nothing."""

from __future__ import annotations

import json
from typing import Any

from pyinfra.api import FactBase, QuoteString, StringCommand
from typing_extensions import override

from facts import bundle


class Probed(FactBase[dict[str, Any] | None]):
    """The module's answer; None where the target has no python3 to look with. `module`: which one."""

    module: str

    @staticmethod
    @override
    def default() -> None:
        return None

    @override
    def command(self, query: str) -> StringCommand:
        """`query`: JSON text, see the module's `observe`."""
        words = [QuoteString(word) for word in (bundle.LOADER, bundle.probe(), self.module, query)]
        python = StringCommand(f"{bundle.PYTHON} -I -c", *words)
        return StringCommand("if command -v python3 >/dev/null; then", python, "; else true; fi")

    @override
    def process(self, output: list[str]) -> dict[str, Any] | None:
        for line in output:
            if line.startswith("{"):
                seen: dict[str, Any] = json.loads(line)
                return seen
        return None
