"""The checker on a case, as its users start it, and how its answer compares with what really happened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .build import Clone
from .reality import Reality, environment
from .table import Case

CHECKER = Path(__file__).parents[3] / "facts/probe/libraries.py"
LIMIT_S = 120.0
EXIT = {"ok": 0, "drift": 0, "runtime-fails": 1, "import-fails": 1}


@dataclass
class Answer:
    """What it said, and the seconds from its start to its end."""

    verdict: str
    found: dict[str, Any]
    seconds: float


def ask(clone: Clone, *options: str, program: Path = CHECKER) -> Answer:
    """Run it. A RuntimeError where it crashed, or its exit code is not that of its verdict."""
    argv = [sys.executable, str(program), "--venv", str(clone.venv), "--ld-library-path", clone.ld, "--json", *options]
    for soname in clone.case.preload if clone.ld else ():
        argv += ["--preload", soname]
    own = {key: value for key, value in environment(clone).items() if key != "LD_LIBRARY_PATH"}
    since = time.monotonic()
    done = subprocess.run(argv, env=own, cwd=clone.cwd, text=True, capture_output=True, timeout=LIMIT_S)
    seconds = time.monotonic() - since
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise RuntimeError(f"no answer, exit code {done.returncode}: {done.stderr[-800:]}") from None
    if EXIT.get(found["verdict"]) != done.returncode:
        raise RuntimeError(f"exit code {done.returncode} with the verdict {found['verdict']}")
    return Answer(found["verdict"], found, seconds)


def expected(case: Case, reality: Reality) -> str:
    """The right verdict: reality's where something failed, else the table's (ok or drift, or what only a GPU would show)."""
    return case.verdict if reality.verdict == "fine" else reality.verdict


def misresolved(answer: Answer, reality: Reality) -> list[str]:
    """Libraries that the loader really took from elsewhere than the checker says, or that it does not name.

    Of two files with one soname the first that was loaded is used; the other is mapped for nothing.
    """
    used: dict[str, str] = {}
    for path in reality.loaded:
        used.setdefault(os.path.basename(path), os.path.realpath(path))
    said = {name: os.path.realpath(path) for name, path in answer.found["resolved"].items()}
    return [f"{name}: {said.get(name)}, really {path}" for name, path in used.items() if said.get(name) != path]


def unmapped(reality: Reality) -> list[str]:
    """Libraries of the loader's list that /proc/self/maps does not have: the measurement itself would be wrong."""
    return sorted({os.path.realpath(path) for path in reality.loaded} - {os.path.realpath(p) for p in reality.mapped})


def described(answer: Answer) -> str:
    """Its findings, a line each."""
    rows = [f"{each['code']} ({each['level']}): {each['message']}" for each in answer.found["findings"]]
    return "\n".join([f"verdict {answer.verdict}", *rows])
