"""What really happens in a case: child.py in its Python, with a time limit, and what came of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .build import Clone

CHILD = Path(__file__).with_name("child.py")
LIMIT_S = 240.0
FIRST = "import torch"


@dataclass
class Reality:
    """Messages of what failed (None where nothing did), libraries after the import, and the import's seconds."""

    imports: str | None
    later: str | None
    loaded: list[str] = field(default_factory=list)  # paths in load order, after the import
    mapped: list[str] = field(default_factory=list)  # paths in /proc/self/maps, after the import
    seconds: float | None = None

    @property
    def verdict(self) -> str:
        """import-fails, runtime-fails or fine."""
        return "import-fails" if self.imports else "runtime-fails" if self.later else "fine"


def environment(clone: Clone) -> dict[str, str]:
    """Of a program in the case."""
    kept = {key: value for key, value in os.environ.items() if key not in ("LD_LIBRARY_PATH", "LD_PRELOAD")}
    return {**kept, **({"LD_LIBRARY_PATH": clone.ld} if clone.ld else {})}


def measure(clone: Clone) -> Reality:
    """Import torch there and use it. A child that takes too long counts as a failure."""
    argv = [clone.python, "-I", str(CHILD), *(clone.case.preload if clone.ld else ())]
    try:
        done = subprocess.run(
            argv,
            env=environment(clone),
            cwd=clone.cwd,
            text=True,
            errors="replace",
            capture_output=True,
            timeout=LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        return Reality(f"no end after {LIMIT_S:g} s", None)
    return read([json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")], _end(done))


def _end(done: subprocess.CompletedProcess[str]) -> str | None:
    if not done.returncode:
        return None
    name = signal.Signals(-done.returncode).name if done.returncode < 0 else f"exit code {done.returncode}"
    return f"{name}: {done.stderr.strip()[-300:]}"


def read(lines: list[dict[str, Any]], end: str | None) -> Reality:
    """From the child's lines and how it ended."""
    ends = {line["ends"]: line for line in lines if "ends" in line}
    errors = {name: f"{name}: {line['error']}" for name, line in ends.items() if line["error"]}
    if end:  # the stage that had begun, or the loader before any
        last = next((line["begins"] for line in reversed(lines) if "begins" in line), FIRST)
        errors[last] = f"{last}: {end}"
    lists: dict[str, Any] = next((line for line in lines if "loaded" in line), {"loaded": [], "mapped": []})
    later = "; ".join(text for name, text in errors.items() if name != FIRST)
    return Reality(
        errors.get(FIRST), later or None, lists["loaded"], lists["mapped"], ends.get(FIRST, {}).get("seconds")
    )
