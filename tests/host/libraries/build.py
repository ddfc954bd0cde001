"""Makes a case from a base venv: a clone of hard links, in which files are only ever unlinked and written anew."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import preload
from .table import Case
from .wheels import Store


@dataclass
class Clone:
    """A case on disk. `ld` and `cwd` are what its programs are started with."""

    case: Case
    venv: Path
    store: Store
    ld: str
    cwd: Path
    environment: dict[str, str] | None = None  # of uv, where it is not the store's
    said: str = ""  # what uv reported

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.venv / "bin/python")

    @property
    def site(self) -> Path:
        """Its site-packages."""
        return next(self.venv.glob("lib/python3*/site-packages"))

    def pip(self, *words: str) -> None:
        """`uv pip` on this venv."""
        self.said += self.store.run_uv(
            "pip", words[0], "--python", self.python, *words[1:], environment=self.environment
        )

    def write(self, path: Path, data: bytes) -> None:
        """A new file of that content in place of the old one, whose inode other venvs share."""
        mode = path.stat().st_mode
        part = path.with_name(path.name + ".part")
        part.write_bytes(data)
        part.chmod(mode)
        os.replace(part, path)

    def rewrite(self, name: str, change: Callable[[str], str]) -> None:
        """Change a text and its row in RECORD: as if the wheel had been made so."""
        path = self.site / name
        data = change(path.read_text()).encode()
        self.write(path, data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record = next(self.site.glob(f"{name.split('/')[0]}-*.dist-info/RECORD"))
        rows = [[name, f"sha256={digest}", str(len(data))] if row[0] == name else row for row in _rows(record)]
        self.write(record, _csv(rows))

    def take(self, step: str) -> None:
        """One step of cases.toml."""
        verb, *words = shlex.split(step)
        STEPS[verb](self, *words)


def _rows(record: Path) -> list[list[str]]:
    with record.open(newline="") as file:
        return list(csv.reader(file))


def _csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _install(clone: Clone, *specs: str) -> None:
    clone.pip("install", "--no-deps", *specs)


def _reinstall(clone: Clone, *specs: str) -> None:
    clone.pip("install", "--no-deps", "--reinstall", *specs)


def _resolve(clone: Clone, *specs: str) -> None:
    clone.pip("install", *specs)


def _uninstall(clone: Clone, name: str) -> None:
    clone.pip("uninstall", name)


def _delete(clone: Clone, name: str) -> None:
    path = clone.site / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _cut(clone: Clone, name: str, percent: str) -> None:
    data = (clone.site / name).read_bytes()
    clone.write(clone.site / name, data[: len(data) * int(percent) // 100])


def _overwrite(clone: Clone, name: str) -> None:
    """4 KiB of zeros after three quarters, in the code for the GPU."""
    data = bytearray((clone.site / name).read_bytes())
    start = len(data) * 3 // 4
    data[start : start + 4096] = bytes(4096)
    clone.write(clone.site / name, bytes(data))


def _twin(clone: Clone, name: str, other: str) -> None:
    """Another distribution that owns the same files, as after installing one over the other."""
    old = next(clone.site.glob(f"{name}-*.dist-info"))
    new = old.with_name(old.name.replace(name, other.replace("-", "_"), 1))
    shutil.copytree(old, new)
    meta = (new / "METADATA").read_text()
    (new / "METADATA").write_text(re.sub(rf"^Name: {name}$", f"Name: {other}", meta, flags=re.M))
    (new / "RECORD").write_text((old / "RECORD").read_text().replace(old.name, new.name))


def _unset(clone: Clone, _variable: str) -> None:
    clone.ld = ""


STEPS: dict[str, Callable[..., None]] = {
    "install": _install,
    "reinstall": _reinstall,
    "resolve": _resolve,
    "uninstall": _uninstall,
    "delete": _delete,
    "cut": _cut,
    "overwrite": _overwrite,
    "twin": _twin,
    "no-preload": lambda clone: clone.rewrite("torch/__init__.py", preload.none),
    "preload-2.10": lambda clone: clone.rewrite("torch/__init__.py", preload.as_2_10),
    "unset": _unset,
}


def _paths(text: str, store: Store, site: Path) -> str:
    return re.sub(r"\{([^}]+)\}", lambda m: str(site if m[1] == "site" else store.toolkit(m[1])), text)


def make(store: Store, case: Case, folder: Path) -> Clone:
    """The case as a new venv in `folder`. wheels.Unavailable where the registry has not what it needs."""
    venv = folder / case.name
    subprocess.run(["cp", "-al", str(store.base(case.base)), str(venv)], check=True, timeout=300)
    site = next(venv.glob("lib/python3*/site-packages"))
    ld, cwd = _paths(case.ld, store, site), Path(_paths(case.cwd, store, site) or folder)
    clone = Clone(case, venv, store, ld, cwd)
    for step in case.do:
        clone.take(step)
    return clone


def remove(clone: Clone) -> None:
    """Away with it."""
    away(clone.venv)


def away(folder: Path) -> None:
    """Remove a tree; rm is several times as quick as Python's own way."""
    subprocess.run(["rm", "-rf", str(folder)], check=False, timeout=300)
