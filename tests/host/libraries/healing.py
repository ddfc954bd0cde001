"""A repair in a case, with an empty cache of uv: what had to be fetched for it, and whether the case is well after it."""

from __future__ import annotations

import csv
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import build, checker, reality

_FETCHED = re.compile(r"^\s*Downloading (\S+) \(([\d.]+)([KMG])iB\)$", re.M)
_UNIT = {"K": 2**10, "M": 2**20, "G": 2**30}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def fetched(said: str, cache: Path) -> int:
    """Bytes of the wheels that came: by uv's own report (to 0.1 MiB); of the small ones that it does not report, unpacked."""
    reported = {_normal(name): float(size) * _UNIT[unit] for name, size, unit in _FETCHED.findall(said)}
    small = sum(
        sum(int(row[2] or 0) for row in csv.reader(record.open(newline="")) if len(row) == 3)
        for record in cache.glob("archive-v0/*/*.dist-info/RECORD")
        if _normal(record.parent.name.partition("-")[0]) not in reported
    )
    return round(sum(reported.values()) + small)


def heal(clone: build.Clone, program: Path, steps: Sequence[str] = ()) -> dict[str, Any]:
    """Take the steps (the row's own where none are given). Keys: repair, bytes, repair_s, healed, after."""
    steps = steps or clone.case.repair
    with tempfile.TemporaryDirectory(dir=clone.store.folder) as cache:
        clone.environment = {**clone.store.environment(), "UV_CACHE_DIR": cache}
        clone.said = ""
        since = time.monotonic()
        for step in steps:
            clone.take(step)
        seconds = time.monotonic() - since
        size = fetched(clone.said, Path(cache))
        clone.environment = None
    real = reality.measure(clone)
    verdict = checker.ask(clone, program=program).verdict
    healed = real.verdict == "fine" and verdict in ("ok", "drift")
    after = {"checker": verdict, "import": real.imports, "later": real.later}
    return {"repair": list(steps), "bytes": size, "repair_s": round(seconds, 1), "healed": healed, "after": after}
