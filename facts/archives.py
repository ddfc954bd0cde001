"""How much apt would download, as its own lists tell it."""

from __future__ import annotations

import re

from pyinfra.api import FactBase, QuoteString, StringCommand
from typing_extensions import override

LINE = re.compile(r"'[^']+' \S+ (\d+) ")  # 'URL' file bytes digest


class Archives(FactBase[int | None]):
    """
    Returns the bytes of the packages that apt lacks for the first of some choices that it knows; None where it knows none.

    .. code:: python

        71_303_168
    """

    @staticmethod
    @override
    def default() -> None:
        return None

    @override
    def command(self, choices: str) -> StringCommand:
        """`choices`: sets of package names, names apart by spaces and sets by `;`. Nothing is installed and no root is needed."""
        apt = "LC_ALL=C apt-get -qq -y --print-uris install --no-install-recommends"
        tries = [
            StringCommand("told=$(", apt, *(QuoteString(name) for name in names.split()), "2>/dev/null )")
            for names in choices.split(";")
        ]
        known = StringCommand("{", *(bit for one in tries for bit in (one, "||")), "false; }")
        return StringCommand(known, "&& printf '%s\\nknown\\n'", '"$told"', "|| true")

    @override
    def process(self, output: list[str]) -> int | None:
        if "known" not in output:
            return None
        return sum(int(found.group(1)) for line in output if (found := LINE.match(line)))
