"""What the cases are made of, from the registry by uv: base venvs, single wheels, and toolkits made of wheels' libraries."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .table import Table

VENVS = (
    "VLLM_WORKSTATION_TORCH_VENVS"  # a folder with finished base venvs t26, t28, and the uv cache they are linked to
)
PYTHON = "3.11"  # the newest that all wheels of the table have
LIMIT_S = 900.0


class Unavailable(RuntimeError):
    """The registry or uv cannot be reached."""


def find_uv() -> str:
    """The uv of this project, or the one on PATH. Unavailable where there is none."""
    own = Path(__file__).parents[3] / ".uv/bin/uv"
    found = shutil.which("uv") or (str(own) if own.exists() else None)
    if found is None:
        raise Unavailable("there is no uv")
    return found


def c_plus_plus() -> Path:
    """This machine's libstdc++.so.6, as the loader finds it."""
    text = subprocess.run(["/sbin/ldconfig", "-p"], text=True, capture_output=True, timeout=30).stdout
    found = re.search(r"libstdc\+\+\.so\.6 .*=> (/\S*x86_64\S*|/lib64/\S+)", text)
    if not found:
        raise Unavailable("there is no libstdc++.so.6 on this machine")
    return Path(found[1])


def without_versions(data: bytes, first: str) -> bytes:
    """A libstdc++ whose GLIBCXX versions from `first` on bear other names, so that the loader does not find them."""
    stem, _, number = first.rpartition(".")

    def rename(match: re.Match[bytes]) -> bytes:
        return match[0] if int(match[1]) < int(number) else match[0].replace(b"GLIBCXX", b"GLIBCYY")

    return re.sub(stem.encode().replace(b".", rb"\.") + rb"\.(\d+)(?=\0|\.)", rename, data)


@dataclass
class Store:
    """Bases, wheels and toolkits below one folder (on the file system of the bases: everything is hard links)."""

    folder: Path
    table: Table
    uv: str = field(default_factory=find_uv)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def given(self) -> Path | None:
        """The folder of base venvs that the environment names."""
        return Path(os.environ[VENVS]) if os.environ.get(VENVS) else None

    def environment(self) -> dict[str, str]:
        """The environment of uv: one cache, which the bases are linked to."""
        cache = os.environ.get("UV_CACHE_DIR") or str((self.given or self.folder) / "cache")
        return {**os.environ, "UV_CACHE_DIR": cache, "UV_LINK_MODE": "hardlink", "UV_HTTP_TIMEOUT": "120"}

    def run_uv(self, *words: str, environment: dict[str, str] | None = None) -> str:
        """What uv said (it reports on stderr). Unavailable where it failed."""
        argv = [self.uv, *words]
        done = subprocess.run(
            argv, env=environment or self.environment(), text=True, capture_output=True, timeout=LIMIT_S
        )
        if done.returncode:
            raise Unavailable(f"{' '.join(argv)}: {done.stderr.strip()[-500:]}")
        return done.stderr

    def base(self, name: str) -> Path:
        """A venv that the cases are cloned from: byte-compiled, and never changed in place."""
        made = self.folder / "base" / name
        with self._lock:
            if not made.exists():
                self._make_base(name, made)
        return made

    def _make_base(self, name: str, made: Path) -> None:
        part = made.with_name(made.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        made.parent.mkdir(parents=True, exist_ok=True)
        if self.given and (self.given / name / "bin/python").exists():
            subprocess.run(["cp", "-al", str(self.given / name), str(part)], check=True, timeout=300)
        else:
            self.run_uv("venv", "--quiet", "--python", PYTHON, str(part))
            self.run_uv("pip", "install", "--python", f"{part}/bin/python", *self.table.bases[name]["install"])
        use = "import torch, torchvision, torchaudio, triton"  # writes the bytecode that every clone then shares
        subprocess.run([f"{part}/bin/python", "-I", "-c", use], capture_output=True, timeout=300)
        part.rename(made)

    def wheel(self, spec: str) -> Path:
        """A folder with what one wheel holds."""
        made = self.folder / "wheels" / spec
        with self._lock:
            if not made.exists():
                part = made.with_name(made.name + ".part")
                python = str(self.base(next(iter(self.table.bases))) / "bin/python")
                self.run_uv("pip", "install", "--no-deps", "--python", python, "--target", str(part), spec)
                part.rename(made)
        return made

    def toolkit(self, name: str) -> Path:
        """A lib64 folder as a toolkit or a tar leaves it."""
        made = self.folder / "toolkits" / name / "lib64"
        spec = self.table.toolkits[name]
        wheels = [self.wheel(each) for each in spec.get("wheels", [])]
        with self._lock:
            if not made.exists():
                part = made.with_name("part")
                shutil.rmtree(part, ignore_errors=True)
                part.mkdir(parents=True)
                _fill(part, spec, wheels)
                part.rename(made)
        return made


def _fill(folder: Path, spec: dict[str, Any], wheels: list[Path]) -> None:
    for wheel in wheels:
        for library in sorted(wheel.glob(f"nvidia/*/lib/{spec.get('only', 'lib*.so*')}")):
            name = library.name
            if "version" in spec:  # as a tar has it: libcudnn.so.9 is a link to libcudnn.so.9.10.2
                name = f"{name.partition('.so')[0]}.so.{spec['version']}"
                (folder / library.name).symlink_to(name)
            os.link(library, folder / name)
    if "libstdcxx" in spec:
        (folder / "libstdc++.so.6").write_bytes(without_versions(c_plus_plus().read_bytes(), spec["libstdcxx"]))
