"""The package registries this machine's own clients use.

Their names are nowhere in the repository: they are read from pip's, npm's and apt's settings.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from urllib.parse import urlsplit

from .settings import SUITE, LabError
from .shell import run

_PIP = """
try:
    from pip._internal.models.index import PyPI
except ImportError:
    import ensurepip, pathlib, sys
    bundled = pathlib.Path(ensurepip.__file__).with_name('_bundled')
    sys.path.insert(0, str(next(bundled.glob('pip-*.whl'))))
    from pip._internal.models.index import PyPI
print(PyPI.netloc, PyPI.file_storage_domain)
"""


@dataclass(frozen=True)
class Registries:
    """Names, and the lines for a host's /etc/apt/sources.list."""

    python_index: str
    python_files: str
    npm: tuple[str, ...]
    apt: tuple[str, ...]
    apt_base: str
    apt_lines: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that hosts may reach through the gateway."""
        every = (self.python_index, self.python_files, *self.npm, *self.apt)
        return tuple(dict.fromkeys(every))


def discover() -> Registries:
    """Ask pip, npm and apt."""
    index, files = _python()
    sites = _debian()
    bases = [base for base, _ in sites]
    return Registries(
        python_index=index,
        python_files=files,
        npm=_npm(),
        apt=tuple(dict.fromkeys(_host(base) for base in bases)),
        apt_base=bases[0],
        apt_lines=tuple(f"deb {base} {release} main" for base, release in sites),
    )


def _python() -> tuple[str, str]:
    candidates = [sys.executable, f"{sys.base_prefix}/bin/python3", "python3", "/usr/bin/python3"]
    for python in filter(shutil.which, candidates):
        words = run([python, "-c", _PIP], check=False).stdout.split()
        if len(words) == 2:
            return words[0], words[1]
    raise LabError("no pip here to ask which Python registry is in use")


def _npm() -> tuple[str, ...]:
    if not shutil.which("npm"):
        return ()
    return (_host(run(["npm", "config", "get", "registry"]).stdout.strip()),)


def _debian() -> list[tuple[str, str]]:
    """(base URI, release of SUITE) of each Debian source: from `apt-get indextargets`."""
    ask = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN) $(RELEASE)"]
    if " Debian " not in run(ask).stdout:
        run(["apt-get", "update"])
    words = [line.split() for line in run(ask).stdout.splitlines()]
    found = {(w[0], _release(w[2])): None for w in words if len(w) == 3 and w[1] == "Debian"}
    if not found:
        raise LabError("apt knows no Debian source")
    return list(found)


def _release(name: str) -> str:
    """bookworm-security of a machine of another suite becomes that of ours."""
    return SUITE + "".join(name.partition("-")[1:])


def _host(url: str) -> str:
    return urlsplit(url).hostname or url
