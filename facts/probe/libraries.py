"""Are the libraries of a venv whole and of one piece? Told from files alone: nothing is imported, no GPU is needed.

    python3 facts/probe/libraries.py --venv DIR [--ld-library-path S] [--preload SONAME]... [--hash] [--json]

ends 0 (sound: ok or drift), 1 (broken: runtime-fails or import-fails) or 2 (usage, or a part could not be looked at).
"""

from __future__ import annotations

import json
import os
import sys

if (
    __name__ == "__main__" and not __package__
):  # as a plain script: be a part of the package, and let no module here shadow another
    _here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if path != _here]
    sys.path.insert(0, os.path.dirname(_here))
    __import__("probe")
    del sys.path[0]
    __package__ = "probe"

import argparse
import time
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from . import findings, metadata, records, releases, torchload
from .findings import IMPORT, Finding, finding
from .installed import Site
from .loader import Process

_MOST = 400  # findings that observe() returns of one venv
_ODD = (OSError, ValueError, ArithmeticError, LookupError, RecursionError, TypeError, AttributeError, MemoryError)


def check(
    venv: str, ld_library_path: str = "", preload: Sequence[str] = (), hashes: records.Hashes = False
) -> Dict[str, Any]:
    """Verdict, findings, `{soname: file}` as the loader would resolve them, and seconds of each stage. Never raises.

    `hashes`: read every file of these distributions (True: of all). `preload` are sonames that something loads before torch;
    an empty element of `ld_library_path` means the current directory.
    """
    return _Check(venv, hashes).answer(ld_library_path, preload)


class _Check:
    """One venv; its files are read once for any number of environments."""

    def __init__(self, venv: str, hashes: records.Hashes) -> None:
        self.seconds: Dict[str, float] = {}
        self.found: List[Finding] = []
        self.failed: List[str] = []  # stages that did not come to an end
        self.site: Optional[Site] = self._stage("site", lambda: Site(venv), None)
        self._collect("metadata", metadata.check)
        self._collect("records", lambda site: records.check(site, hashes))

    def answer(self, variable: str, preload: Sequence[str]) -> Dict[str, Any]:
        found, resolved = self._stage("loader", lambda: self._load(variable, preload), ([], {}))
        found = self.found + found
        return {
            "verdict": findings.verdict(found),
            "findings": found,
            "resolved": resolved,
            "seconds": dict(self.seconds),
            "failed": list(self.failed),
        }

    def _collect(self, stage: str, look: Callable[[Site], List[Finding]]) -> None:
        site = self.site
        if site is not None:
            self.found += self._stage(stage, lambda: look(site), [])

    def _stage(self, name: str, work: Callable[[], Any], otherwise: Any) -> Any:
        started = time.perf_counter()
        try:
            return work()
        except _ODD as error:  # a fact never fails; what the other stages see still counts
            sys.stderr.write("libraries: %s: %s: %s\n" % (name, type(error).__name__, error))
            self.failed.append(name)
            return otherwise
        finally:
            self.seconds[name] = round(time.perf_counter() - started, 4)

    def _load(self, variable: str, preload: Sequence[str]) -> Tuple[List[Finding], Dict[str, str]]:
        site = self.site
        if site is None:
            return [], {}
        if not os.path.exists(site.venv + "/bin/python"):
            fix = "make the venv again with a Python that is there"
            message = "%s/bin/python leads nowhere" % site.venv
            return [finding("NO-PYTHON", IMPORT, message, None, site.venv + "/bin/python", fix)], {}
        with Process(variable, _here_is()) as process:
            load = torchload.Load(site, process)
            load.run(preload)
            return load.found, torchload.resolved(process)


def _here_is() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "/"


def observe(query: Dict[str, Any]) -> Dict[str, Any]:
    """The current release, the chosen one, the tools, and (key `shell`) the current one under the shells' LD_LIBRARY_PATH."""
    root = os.path.expanduser(query["root"])
    link = os.path.join(root, "current")
    current = os.path.basename(os.readlink(link)) if os.path.islink(link) else None
    chosen = (releases.load(root + "/choice.json") or {}).get("lock")
    venvs = {name: os.path.join(root, "releases", name) for name in (current, chosen) if name and isinstance(name, str)}
    venvs["tools"] = root + "/tools"
    checks = {name: _Check(path, query.get("hash") or False) for name, path in venvs.items() if os.path.isdir(path)}
    found = {name: _short(one.answer("", ())) for name, one in checks.items()}
    variable = query.get("shell_ld_library_path")
    if variable and isinstance(variable, str) and current in checks:
        found["shell"] = _short(_environment_only(checks[current].answer(variable, ())))
    return found


def _environment_only(answer: Dict[str, Any]) -> Dict[str, Any]:
    found = [one for one in answer["findings"] if one["cause"] == "environment"]
    return dict(answer, findings=found, verdict=findings.verdict(found))


def _short(answer: Dict[str, Any]) -> Dict[str, Any]:
    return dict(answer, findings=answer["findings"][:_MOST], count=len(answer["findings"]))


def run(argv: List[str]) -> int:
    """The command line; returns its exit status."""
    parser = argparse.ArgumentParser(prog="libraries.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--venv", required=True)
    parser.add_argument("--ld-library-path", default="")
    parser.add_argument("--preload", action="append", default=[], metavar="SONAME")
    parser.add_argument("--hash", action="store_true", help="compare the bytes of every recorded file")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(argv)
    if not os.path.isdir(asked.venv):
        parser.error("no such directory: %s" % asked.venv)
    answer = check(asked.venv, asked.ld_library_path, asked.preload, asked.hash)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names may be any bytes
    print(json.dumps(answer) if asked.json else text(answer))
    if answer["verdict"] in ("runtime-fails", "import-fails"):
        return 1
    return 2 if answer["failed"] else 0  # what was not looked at is not sound


def text(answer: Dict[str, Any]) -> str:
    """For people."""
    lines = [answer["verdict"]]
    for one in answer["findings"]:
        lines.append("  [%(level)s] %(code)s: %(message)s" % one)
        lines.append("      fix: %(fix)s" % one)
    return "\n".join(lines)


def main(argv: List[str]) -> None:
    sys.exit(run(argv))


if __name__ == "__main__":
    main(sys.argv[1:])
