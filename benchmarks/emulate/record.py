"""The result file: written again after each case, so that a run which is cut short leaves what it has."""

from __future__ import annotations

import json
import platform
import sys
import threading
import zipfile
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.emulate import gpu, report


def machine() -> dict[str, str]:
    """What the numbers were measured on."""
    found = {"python": platform.python_version(), **gpu.named(0)}
    for name in ("vllm", "torch", "triton"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@dataclass
class Record:
    """The rows of one run and where they go: serve-DATE.json, its table in .txt, the logs in logs-DATE.zip."""

    out: Path
    date: str
    about: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def path(self) -> Path:
        """The result file."""
        return self.out / f"serve-{self.date}.json"

    def open(self, load_format: str) -> None:
        """Say what is measured, on what."""
        self.out.mkdir(parents=True, exist_ok=True)
        self.about = {"date": self.date, "command": sys.argv[1:], "load_format": load_format, "machine": machine()}

    def add(self, row: dict[str, Any], log: Path | None = None) -> None:
        """One more case, and everything written again."""
        with self._lock:
            self.rows.append(row)
            report.complete(self.rows)
            self._write(self.path, json.dumps({**self.about, "cases": self.rows}, indent=1) + "\n")
            self._write(self.path.with_suffix(".txt"), report.text(self.rows) + "\n")
            if log and log.exists():
                with zipfile.ZipFile(self.out / f"logs-{self.date}.zip", "a", zipfile.ZIP_DEFLATED) as archive:
                    archive.write(log, log.name)

    @staticmethod
    def _write(path: Path, words: str) -> None:
        new = path.with_suffix(path.suffix + ".new")
        new.write_text(words)
        new.replace(path)
