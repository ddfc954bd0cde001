"""Faults: each file breaks a converged machine in one way and says what must be true after a repair.

A fault is a TOML file; `breaks`, `after` and `undo` are bash run by root on the machine after prelude.sh.

    about      what happened to the machine, in one sentence
    breaks     does it
    after      what must be true when the run has ended; the first command that fails is the failure
    codes      findings that the run's report must hold
    primary    the doctor's first finding (default: the first of codes)
    batch      faults that share one machine state and one run (they do not touch each other's things)
    keeps      whether the server must go on without a restart (default true)
    untouched  files that must be the same bytes after the run as before it
    says       words that the run must print
    refuses    words of a run that must end with an error, because only a person may mend this; then `undo`
    undo       what that person does; a run after it must end well
    settings   settings of the run
    deploy     script of the run: "repair" (default "full")
    group      kind of machine: "wsl" (stand-ins, default) or "libraries" (real torch and nvidia wheels)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plan.toml import parse

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Fault:
    """One file of this folder."""

    name: str
    about: str
    breaks: str
    after: str
    batch: str
    codes: tuple[str, ...] = ()
    primary: str = ""
    keeps: bool = True
    untouched: tuple[str, ...] = ()
    says: str = ""
    refuses: str = ""
    undo: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    deploy: str = "full"
    group: str = "wsl"

    def script(self, part: str) -> str:
        """`breaks`, `after` or `undo` as the whole text of a bash script."""
        prelude = (HERE / "prelude.sh").read_text()
        return f"FAULT={self.name}\n{prelude}\nset -x\n{getattr(self, part)}\n"


def load(path: Path) -> Fault:
    """The fault in a file; TypeError names a field that there is not."""
    rows = parse(path.read_text())
    lists = {key: tuple(value) for key, value in rows.items() if isinstance(value, list)}
    return Fault(name=path.stem, **{**rows, **lists})


def faults() -> list[Fault]:
    """All of them, batch by batch."""
    return sorted((load(path) for path in HERE.glob("*.toml")), key=lambda one: (one.group, one.batch, one.name))
