"""Run a command and say clearly what it printed when it fails."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .settings import LabError


def run(
    args: Sequence[str | Path],
    *,
    check: bool = True,
    text: str | None = None,
    timeout: float | None = 600,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run ARGS with TEXT (or nothing) on stdin; LabError when CHECK and it fails."""
    done = subprocess.run(
        [str(a) for a in args],
        check=False,
        input="" if text is None else text,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        env=env,
        cwd=cwd,
    )
    if check and done.returncode:
        raise LabError(failure(done))
    return done


def failure(done: subprocess.CompletedProcess[str]) -> str:
    """One readable message: the command, its status, the end of its output."""
    args = done.args if isinstance(done.args, str) else " ".join(map(str, done.args))
    tail = (done.stdout + done.stderr)[-4000:]
    return f"{args[:600]}\nexit status {done.returncode}\n{tail}"
