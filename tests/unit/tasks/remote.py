"""The helper as it lies on a target: the real archive, run by a real python3."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tasks import helper


def install(root: Path) -> Path:
    """Put the archive where the product puts it."""
    path = root / "lib" / "helper.pyz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(helper.archive())
    return path


def run(root: Path, *words: str | dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """One command of the helper."""
    texts = [json.dumps(word) if isinstance(word, dict) else word for word in words]
    argv = [sys.executable, str(root / "lib" / "helper.pyz"), *texts]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)
