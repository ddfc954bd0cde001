"""Python wheels and PEP 503 pages, made by hand (a wheel is a zip)."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from urllib.parse import quote


@dataclass(frozen=True)
class Wheel:
    """One distribution; `files` by path inside the wheel."""

    name: str
    version: str
    requires: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    scripts: Sequence[str] = ()
    tag: str = "py3-none-any"

    @property
    def file_name(self) -> str:
        """As PEP 427 spells it."""
        return f"{self.name.replace('-', '_')}-{self.version}-{self.tag}.whl"

    def write(self, directory: Path) -> None:
        """The wheel in DIRECTORY."""
        directory.mkdir(parents=True, exist_ok=True)
        info = f"{self.name.replace('-', '_')}-{self.version}.dist-info"
        files = {**self.files, **{f"{info}/{name}": text for name, text in self._info().items()}}
        record = "".join(f"{path},{_digest(text)},{len(text.encode())}\n" for path, text in files.items())
        files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
        with zipfile.ZipFile(directory / self.file_name, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, text in files.items():
                entry = zipfile.ZipInfo(path, (2025, 8, 5, 0, 0, 0))
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, text)

    def _info(self) -> dict[str, str]:
        requires = "".join(f"Requires-Dist: {line}\n" for line in self.requires)
        head = f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n"
        wheel = f"Wheel-Version: 1.0\nGenerator: standin\nRoot-Is-Purelib: true\nTag: {self.tag}\n"
        info = {"METADATA": f"{head}Requires-Python: >=3.9\n{requires}", "WHEEL": wheel}
        if self.scripts:
            lines = "\n".join(self.scripts)
            info["entry_points.txt"] = f"[console_scripts]\n{lines}\n"
        return info


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def project_page(directory: Path) -> None:
    """index.html of one project: a link with its hash for each wheel in DIRECTORY."""
    links = []
    for wheel in sorted(directory.glob("*.whl")):
        digest = _file_digest(wheel)
        links.append(f'<a href="{quote(wheel.name)}#sha256={digest}">{escape(wheel.name)}</a><br>\n')
    head = '<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.0">'
    body = "".join(links)
    (directory / "index.html").write_text(f"{head}</head><body>\n{body}</body></html>\n")


def index_pages(index: Path) -> None:
    """index.html of the index and of every project in it."""
    projects = sorted(path.name for path in index.iterdir() if path.is_dir())
    for name in projects:
        project_page(index / name)
    links = "".join(f'<a href="{name}/">{name}</a><br>\n' for name in projects)
    (index / "index.html").write_text(f"<!DOCTYPE html><html><body>\n{links}</body></html>\n")


def _file_digest(path: Path) -> str:
    """SHA-256 of a file; of a large one it is kept beside it (reading 200 MB costs 0.3 s)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
