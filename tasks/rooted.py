"""Short programs that run straight from the command line: nothing that a user can write to is run as root."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pyinfra.api import QuoteString, StringCommand

from facts import bundle

HERE = Path(__file__).parent


@cache
def _packed() -> str:
    modules = {"act": "", "act.__init__": "#"}
    modules["act.openpgp"] = (HERE.parent / "facts" / "probe" / "openpgp.py").read_text(encoding="utf-8")
    modules |= {f"act.{name}": (HERE / "remote" / f"{name}.py").read_text(encoding="utf-8") for name in ("key", "lan", "aptcache", "sources")}
    return bundle.pack(modules)


@cache
def _packed_for_the_user() -> str:
    modules = bundle.sources(HERE.parent / "facts" / "probe", "probe") | {"act": "", "act.__init__": "#"}
    return bundle.pack(
        modules | {f"act.{name}": (HERE / "remote" / f"{name}.py").read_text(encoding="utf-8") for name in ("common", "orphans")}
    )


def end_orphans(root: str, unit: str) -> StringCommand:
    """End what nothing supervises; it needs nothing of ours on the target, and runs as the user."""
    return _run(_packed_for_the_user(), "act.orphans", root, unit)


def program(name: str, *words: str) -> StringCommand:
    """`python3` running `act.<name>` with these words."""
    return _run(_packed(), f"act.{name}", *words)


def _run(packed: str, module: str, *words: str) -> StringCommand:
    parts = [QuoteString(bundle.LOADER), QuoteString(packed), module, *(QuoteString(word) for word in words)]
    return StringCommand(f"{bundle.PYTHON} -I -c", *parts)
