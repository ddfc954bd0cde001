"""Debian packages and flat, signed repositories, made without any tool but gpg (deb(5))."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path

from ..shell import run


@dataclass(frozen=True)
class Deb:
    """One package: `files` are installed (a shebang makes them executable), `scripts` are run."""

    name: str
    version: str
    depends: str = ""
    architecture: str = "amd64"
    files: Mapping[str, bytes] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        """As NVIDIA's repositories name them."""
        return f"{self.name}_{self.version}_{self.architecture}.deb"

    @property
    def control(self) -> str:
        """The control stanza."""
        depends = f"Depends: {self.depends}\n" if self.depends else ""
        return (
            f"Package: {self.name}\nVersion: {self.version}\nArchitecture: {self.architecture}\n"
            f"Maintainer: standin cudatools <standin@invalid>\nSection: devel\n"
            f"Priority: optional\n{depends}Description: standin for {self.name}\n"
        )

    def build(self) -> bytes:
        """The .deb."""
        control = {"control": self.control.encode()}
        control.update({name: text.encode() for name, text in self.scripts.items()})
        conffiles = "".join(f"/{name}\n" for name in self.files if name.startswith("etc/apt/"))
        if conffiles:
            control["conffiles"] = conffiles.encode()
        members = {
            "debian-binary": b"2.0\n",
            "control.tar.gz": _tar(control),
            "data.tar.gz": _tar(self.files),
        }
        return b"!<arch>\n" + b"".join(_member(name, data) for name, data in members.items())


def _member(name: str, data: bytes) -> bytes:
    head = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n"
    return head.encode() + data + b"\n" * (len(data) % 2)


def _tar(files: Mapping[str, bytes]) -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w:gz", format=tarfile.GNU_FORMAT) as archive:
        for directory in sorted({str(p) for name in files for p in Path(name).parents}):
            entry = tarfile.TarInfo("./" if directory == "." else f"./{directory}/")
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for name, data in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(data)
            entry.mode = 0o755 if data.startswith(b"#!") else 0o644
            archive.addfile(entry, io.BytesIO(data))
    return memory.getvalue()


def repository(directory: Path, debs: Sequence[Deb], gpg_home: Path, key: str) -> None:
    """A flat repository in DIRECTORY: packages, Packages(.gz), Release signed with KEY."""
    directory.mkdir(parents=True, exist_ok=True)
    stanzas = []
    for deb in debs:
        data = deb.build()
        (directory / deb.file_name).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        stanzas.append(f"{deb.control}Filename: ./{deb.file_name}\nSize: {len(data)}\nSHA256: {digest}\n")
    packages = "\n".join(stanzas).encode()
    (directory / "Packages").write_bytes(packages)
    (directory / "Packages.gz").write_bytes(gzip.compress(packages, mtime=0))
    lines = ["Origin: NVIDIA", "Label: NVIDIA CUDA", "Architecture: x86_64"]
    lines += [f"Date: {formatdate(usegmt=True)}", "SHA256:"]
    for name in ("Packages", "Packages.gz"):
        data = (directory / name).read_bytes()
        lines.append(f" {hashlib.sha256(data).hexdigest()} {len(data)} {name}")
    (directory / "Release").write_text("\n".join(lines) + "\n")
    for out, mode in (("InRelease", "--clearsign"), ("Release.gpg", "-abs")):
        gpg(gpg_home, "-u", key, mode, "-o", directory / out, directory / "Release")


def gpg(home: Path, *args: str | Path) -> str:
    """Run gpg with the lab's own keyring."""
    env = {**os.environ, "GNUPGHOME": str(home)}
    return run(["gpg", "-q", "--batch", "--yes", *args], env=env).stdout


def end_agent(home: Path) -> None:
    """gpg leaves an agent running for its keyring."""
    run(["gpgconf", "--kill", "all"], env={**os.environ, "GNUPGHOME": str(home)})


def new_key(home: Path, name: str) -> str:
    """The fingerprint of the signing key called NAME; made the first time."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        found = gpg(home, "--with-colons", "--list-keys", f"={name}")
    except RuntimeError:
        gpg(home, "--passphrase", "", "--quick-gen-key", name, "rsa3072", "sign", "10y")
        found = gpg(home, "--with-colons", "--list-keys", f"={name}")
    fields = [line.split(":") for line in found.splitlines()]
    return next(words[9] for words in fields if words[0] == "fpr")
