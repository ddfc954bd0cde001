"""Short programs that run as root straight from the command line: nothing that a user can write to is run as root."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pyinfra.api import QuoteString, StringCommand

from facts import bundle

HERE = Path(__file__).parent


@cache
def _packed() -> str:
    modules = {"act": "", "act.__init__": "#"}
    modules["act.openpgp"] = (HERE.parent / "facts" / "probe" / "openpgp.py").read_text()
    modules |= {f"act.{name}": (HERE / "remote" / f"{name}.py").read_text() for name in ("key", "sources")}
    return bundle.pack(modules)


def program(name: str, *words: str) -> StringCommand:
    """`python3` running `act.<name>` with these words."""
    return StringCommand(
        f"{bundle.PYTHON} -I -c",
        QuoteString(bundle.LOADER),
        QuoteString(_packed()),
        f"act.{name}",
        *(QuoteString(word) for word in words),
    )
