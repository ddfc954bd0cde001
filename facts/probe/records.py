"""RECORD against the disk: every recorded file there, of its size, of its owner, and (where asked or edited) of its bytes."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import Collection, Dict, Iterator, List, NamedTuple, Optional, Tuple, Union

from . import cuda, findings, shell
from .findings import DRIFT, IMPORT, RUNTIME, Finding
from .installed import Distribution, Site
from .metadata import HARD

_INFO = (".dist-info/METADATA", ".dist-info/RECORD", ".dist-info/WHEEL")  # of which HALF speaks
_CHUNK = 1 << 20  # bytes


Hashes = Union[bool, Collection[str]]  # read whole: nothing, everything, or these distributions


class Row(NamedTuple):
    path: str
    digest: str
    size: Optional[int]


class Books(NamedTuple):
    """What is recorded of each path: the first row, and all of those that several distributions record."""

    first: Dict[str, Row]
    again: Dict[str, List[Row]]


# Published wheels whose own RECORD is not of the files in them (measured 2026-11-23).
WRONG_RECORD = {("pynvvideocodec", "2.0.4")}


class Damage(NamedTuple):
    """Of one dist-info: paths below site-packages."""

    gone: List[str]
    size: List[Tuple[str, int, int]]  # path, recorded, found
    alien: List[str]
    suspects: List[Row]  # whose bytes are to be compared

    def total(self) -> int:
        return len(self.gone) + len(self.size)


def rows(text: str) -> Iterator[Row]:
    """Rows of a RECORD; quoted ones have doubled quotes inside. What cannot be understood is left out."""
    for line in text.split("\n"):
        path, _, rest = line.rpartition(",")
        path, _, digest = path.rpartition(",")
        if path.startswith('"') and path.endswith('"') and len(path) > 1:
            path = path[1:-1].replace('""', '"')
        rest = rest.strip()
        if path and path[0] != "/" and not path.startswith("../../../..") and path[-4:] != ".pyc" and "\0" not in path:
            yield Row(path, digest, int(rest) if rest.isascii() and rest.isdigit() and len(rest) < 20 else None)


def check(site: Site, hashes: Hashes = False) -> List[Finding]:
    """GONE, SIZE, HASH, OWNER, TWIN, ORPHAN. Fills `site.owner` and `site.damaged`."""
    try:
        user = os.stat(site.venv).st_uid
    except OSError:
        return []
    shared: Dict[Tuple[str, str], List[str]] = {}
    books = Books({}, {})
    bests: List[Tuple[Distribution, Damage]] = []
    for name, one in site.distributions.items():
        best: Optional[Tuple[Distribution, Damage]] = None
        for each in site.doubles.get(name, [one]):  # of two dist-infos the stale one describes files that are gone
            damage = _compare(site, each, user, hashes, shared, books)
            if best is None or damage.total() < best[1].total():
                best = each, damage
        if best:
            bests.append(best)
    found: List[Finding] = []
    suspects: List[Tuple[Distribution, Row]] = []
    for one, damage in bests:
        _agree(damage, books)
        found += [] if (one.name, one.version) in WRONG_RECORD else _report(site, one, damage)
        suspects += [(one, row) for row in damage.suspects]
    return found + _hashes(site, suspects, books) + _twins(site, shared) + _orphans(site)


def _agree(damage: Damage, books: Books) -> None:
    """A file that two distributions brought is right as either recorded it: which one came last is chance."""
    wrong = [one for one in damage.size if not any(row.size == one[2] for row in books.again.get(one[0], ()))]
    damage.size[:] = wrong


def _compare(
    site: Site, one: Distribution, user: int, hashes: Hashes, shared: Dict[Tuple[str, str], List[str]], books: Books
) -> Damage:
    """One os.stat a file: a venv has fifty thousand."""
    damage = Damage([], [], [], [])
    base, owner, look, name = site.folder + "/", site.owner, os.stat, one.name
    hashes = hashes is True or (bool(hashes) and name in hashes)  # type: ignore[operator]
    since = float("inf") if site.built_at is None else site.built_at
    for row in rows((one.text("RECORD") or "").replace("\r\n", "\n")):
        path, digest, size = row
        first = owner.setdefault(path, name)
        written = books.first.setdefault(path, row)
        if written is not row:
            books.again.setdefault(path, [written]).append(row)
        if first != name and size:
            shared.setdefault((first, name), []).append(path)
        try:
            info = look(base + path)
        except (OSError, ValueError):
            if not path.endswith(_INFO) and not _namespace(path):
                damage.gone.append(path)
            continue
        if info.st_uid != user:
            damage.alien.append(path)
        if size is not None and info.st_size != size:
            damage.size.append((path, size, info.st_size))
        elif (hashes or info.st_mtime > since) and digest.startswith("sha256="):
            damage.suspects.append(row)
    return damage


def _namespace(path: str) -> bool:
    """nvidia/__init__.py is in all of NVIDIA's wheels: uninstalling one takes it from all, harmlessly."""
    return path.startswith("nvidia/") and path.endswith("/__init__.py")


def level(name: str, paths: List[str]) -> str:
    """What follows where these files of a distribution are gone or wrong."""
    code = [p for p in paths if (p.endswith((".py", ".so")) or ".so." in p) and "/test" not in p]
    if any(p.endswith(".py") and (p.startswith("torch/") or name in HARD) for p in code):
        return IMPORT
    return RUNTIME if code or any(path.startswith("../../../bin/") for path in paths) else DRIFT


def _report(site: Site, one: Distribution, damage: Damage) -> List[Finding]:
    found = []
    label, base, again = "%s %s" % (one.name, one.version), site.folder + "/", site.put_back_again(one.name)
    if damage.gone:
        site.damaged.add(one.name)
        message = "%s: %d recorded file(s) are gone, first %s" % (label, len(damage.gone), damage.gone[0])
        found.append(
            findings.finding("GONE", level(one.name, damage.gone), message, one.name, base + damage.gone[0], again)
        )
    if damage.size:
        site.damaged.add(one.name)
        path, size, have = damage.size[0]
        message = "%s: %d file(s) of the wrong size, first %s (%d of %d bytes)" % (
            label,
            len(damage.size),
            path,
            have,
            size,
        )
        worst = level(one.name, [path for path, _, _ in damage.size])
        found.append(findings.finding("SIZE", worst, message, one.name, base + path, again))
    if damage.alien:
        message = "%s: %d file(s) belong to another user than the venv, first %s" % (
            label,
            len(damage.alien),
            damage.alien[0],
        )
        fix = "chown -R --reference=%s %s" % (site.venv, site.folder)
        found.append(findings.finding("OWNER", DRIFT, message, one.name, base + damage.alien[0], fix))
    return found


def _hashes(site: Site, suspects: List[Tuple[Distribution, Row]], books: Books) -> List[Finding]:
    if not suspects:
        return []
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:  # hashlib lets the other threads run
        digests = list(pool.map(lambda pair: digest(site.folder + "/" + pair[1].path), suspects))
    wrong: Dict[str, List[str]] = {}
    for (one, row), have in zip(suspects, digests):
        rights = {each.digest[len("sha256=") :].rstrip("=") for each in books.again.get(row.path, [row])}
        if have not in rights and (one.name, one.version) not in WRONG_RECORD:
            wrong.setdefault(one.name, []).append(row.path)
    found = []
    for name, paths in wrong.items():
        site.damaged.add(name)
        message = "%s %s: %d file(s) have other bytes than recorded, first %s"
        message %= (name, site.version(name), len(paths), paths[0])
        path = site.folder + "/" + paths[0]
        found.append(findings.finding("HASH", RUNTIME, message, name, path, site.put_back_again(name)))
    return found


def digest(path: str) -> Optional[str]:
    """SHA-256 as RECORD writes it; None where the file cannot be read."""
    sha = hashlib.sha256()
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # neither a pipe nor a device holds us up
        with os.fdopen(handle, "rb") as file:
            while stat.S_ISREG(os.fstat(handle).st_mode):
                data = file.read(_CHUNK)
                if not data:
                    break
                sha.update(data)
    except OSError:
        return None
    return base64.urlsafe_b64encode(sha.digest()).rstrip(b"=").decode()


def _twins(site: Site, shared: Dict[Tuple[str, str], List[str]]) -> List[Finding]:
    """Two distributions with one shared object or several modules in common; a README or a namespace's __init__ is none."""
    found = []
    for (first, second), paths in sorted(shared.items()):
        libraries = [p for p in paths if p.endswith(".so") or ".so." in p]
        modules = [p for p in paths if p.endswith(".py") and not p.endswith("/__init__.py") and "test" not in p]
        if not libraries and len(modules) < 2:
            continue
        stray, keep = sorted((first, second), key=lambda name: (name in site.pins, -len(name)))
        message = "%s and %s own the same %d file(s), first %s: removing either breaks the other"
        message %= (first, second, len(paths), (libraries or modules)[0])
        fix = "uv pip uninstall %s, then %s" % (stray, site.put_back_again(keep))
        path = site.folder + "/" + (libraries or modules)[0]
        found.append(findings.finding("TWIN", DRIFT, message, stray, path, fix))
    return found


def _orphans(site: Site) -> List[Finding]:
    """CUDA libraries that no distribution owns, by folder."""
    folders: Dict[str, List[str]] = {}
    tops = ["nvidia/" + name for name in shell.listing(site.folder + "/nvidia")] + ["cusparselt"]
    for folder in (top + "/lib" for top in tops):
        for name in shell.listing(site.folder + "/" + folder):
            if cuda.stem(name) and folder + "/" + name not in site.owner:
                folders.setdefault(folder, []).append(name)
    found = []
    for folder, names in sorted(folders.items()):
        for name in names:
            package = cuda.wheel(name, 13 if "/cu13/" in folder else 12)
            path = "%s/%s/%s" % (site.folder, folder, name)
            message = "%s/%s belongs to no installed distribution" % (folder, name)
            fix = site.put_back(package) if package else "rm %s" % path
            found.append(findings.finding("ORPHAN", DRIFT, message, package, path, fix))
    return found
