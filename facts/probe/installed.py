"""What is installed in a venv: its dist-info directories, which file belongs to which, and what our own build noted."""

from __future__ import annotations

import json
import os
import re
from typing import Dict, Iterator, List, Optional, Set, Tuple

from . import findings, shell
from .marker import Invalid
from .requirement import Requirement, normalise, parse_requirement, parse_version

EXTENSIONS = ("torchvision", "torchaudio", "xformers")  # built for one version of torch
_LIMIT = 4 << 20  # bytes of one METADATA


class Distribution:
    """One dist-info directory."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        name, _, self.version = os.path.basename(folder)[: -len(".dist-info")].rpartition("-")
        self.name = normalise(name)
        self._requires: Optional[List[Requirement]] = None

    def text(self, file: str) -> Optional[str]:
        """None where it cannot be read."""
        data = shell.read_bytes(self.folder + "/" + file, 64 << 20)
        return None if data is None else os.fsdecode(data)

    def lacks(self) -> List[str]:
        """Files of the dist-info that are gone; WHEEL only where RECORD has it (metadata written by hand has none)."""
        present = set(shell.listing(self.folder))
        gone = [name for name in ("METADATA", "RECORD") if name not in present]
        if "WHEEL" not in present and "dist-info/WHEEL," in (self.text("RECORD") or "dist-info/WHEEL,"):
            gone.append("WHEEL")
        return gone

    @property
    def requires(self) -> List[Requirement]:
        """Its Requires-Dist; a line that cannot be understood asks for nothing."""
        if self._requires is None:
            head = (shell.read(self.folder + "/METADATA", _LIMIT) or "").replace("\r\n", "\n").partition("\n\n")[0]
            self._requires = list(_requirements(head))
        return self._requires


def _requirements(head: str) -> Iterator[Requirement]:
    for line in re.findall(r"^Requires-Dist:(.*)$", head, re.M):
        try:
            yield parse_requirement(line)
        except Invalid:
            pass


class Site:
    """A venv's site-packages; `distributions` has one of each name, `doubles` all where there are more."""

    def __init__(self, venv: str) -> None:
        self.venv = os.path.abspath(venv)
        self.settings = dict(
            re.findall(r"^(\w[\w-]*)\s*=\s*(.*?)\s*$", shell.read(self.venv + "/pyvenv.cfg") or "", re.M)
        )
        self.python, self.folder = self._site()
        self.real = os.path.realpath(self.folder)
        self.names = shell.listing(self.folder)
        every: Dict[str, List[Distribution]] = {}
        for name in self.names:
            if name.endswith(".dist-info"):
                one = Distribution(self.folder + "/" + name)
                every.setdefault(one.name, []).append(one)
        self.distributions = {name: max(ones, key=_age) for name, ones in every.items()}
        self.doubles = {name: ones for name, ones in every.items() if len(ones) > 1}
        self.every = [one for ones in every.values() for one in ones]
        self.owner: Dict[str, str] = {}  # path below site-packages: distribution
        self.damaged: Set[str] = set()  # distributions with files that are gone or wrong
        self.pins: Dict[str, str] = {}  # exact versions that Requires-Dist asks for
        self.built, self.built_at = self._mark()

    def _site(self) -> Tuple[str, str]:
        """(version of Python, site-packages)."""
        version = self.settings.get("version_info") or self.settings.get("version") or ""
        minor = ".".join(version.split(".")[:2])
        folders = [name for name in shell.listing(self.venv + "/lib") if re.match(r"python3\.\d+$", name)]
        name = "python" + minor if "python" + minor in folders or not folders else folders[-1]
        if not re.match(r"\d+\.\d+", version):
            version = name[len("python") :]
        return version or "3", "%s/lib/%s/site-packages" % (self.venv, name)

    def _mark(self) -> Tuple[Dict[str, str], Optional[float]]:
        """What our own build wrote last, and when (seconds since 1970)."""
        path = self.venv + "/.complete"
        try:
            built = json.loads(shell.read(path) or "").get("distributions")
            written = os.stat(path).st_mtime
        except (OSError, ValueError, AttributeError, RecursionError):
            return {}, None
        return {str(k): str(v) for k, v in built.items()} if isinstance(built, dict) else {}, written

    @property
    def shares_system(self) -> bool:
        """Packages of the system's Python count too."""
        return str(self.settings.get("include-system-site-packages")).lower() == "true"

    def version(self, name: str) -> Optional[str]:
        one = self.distributions.get(name)
        return one.version if one else None

    def inside(self, path: str) -> Optional[str]:
        """The path below site-packages of a file that was reached there (a link to a cache elsewhere counts), or None."""
        real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        return real[len(self.real) + 1 :] if real.startswith(self.real + "/") else None

    def plain(self, path: str) -> str:
        """Without the detours of an RPATH (`torch/lib/../../nvidia`)."""
        below = self.inside(path)
        return self.folder + "/" + below if below else path

    def owner_of(self, path: str) -> Optional[str]:
        below = self.inside(path)
        return self.owner.get(below) if below else None

    def put_back(self, name: str) -> str:
        """The command that makes one distribution whole."""
        have, want = self.version(name), self.pins.get(name)
        if name in EXTENSIONS and self.version("torch"):
            torch = str(self.version("torch"))
            own = (
                "==" + torch.partition("+")[0] if name == "torchaudio" else ""
            )  # released in step, and says so nowhere
            return "uv pip install torch==%s %s%s" % (torch, name, own)
        return findings.install(name, want or have, again=have is not None and want in (None, have))

    def put_back_again(self, name: str) -> str:
        """The same for files that are damaged under the right version."""
        return findings.install(name, self.pins.get(name) or self.version(name), again=True)


def _age(one: Distribution) -> Tuple[object, ...]:
    try:
        return (1, parse_version(one.version).key(), "")
    except Invalid:
        return (0, (), one.version)
