"""cuDNN opens its sub-libraries by bare name at the first use, so that LD_LIBRARY_PATH wins over its own folder."""

from __future__ import annotations

import os
import re
from typing import Dict, List, Optional, Tuple

from . import shell
from .blame import lacking
from .findings import DRIFT, FROM_OUTSIDE, RUNTIME, Finding, finding, leave_out
from .installed import Site
from .loader import Loaded, Process

# Where neither RECORD nor the folder tells (cuDNN 9.1 and 9.10).
_PARTS = ("adv", "cnn", "engines_precompiled", "engines_runtime_compiled", "graph", "heuristic", "ops")
_ONE = re.compile(r"libcudnn_(\w+)\.so\.(\d+)$")


def check(site: Site, process: Process) -> List[Finding]:
    """CUDNN and CUDNN-MIXED."""
    main = process.loaded("libcudnn.so.9") or process.loaded("libcudnn.so.8")
    if main is None:
        return []
    home = os.path.dirname(main.path)
    version = _version(site, main)
    gone: List[str] = []
    elsewhere: Dict[str, Tuple[str, Optional[str]]] = {}
    parts = _parts(site, main)
    for part in parts:
        path, how = _find(process, main, part, version)
        if path is None:
            gone.append(part)
        elif os.path.realpath(os.path.dirname(path)) != os.path.realpath(home) and not _copy(path, home + "/" + part):
            elsewhere[part] = (path, how)
    found = [_gone(site, main, gone)] if gone else []
    return found + ([_mixed(site, main, elsewhere, len(parts), version)] if elsewhere else [])


def _parts(site: Site, main: Loaded) -> List[str]:
    """Sub-libraries that this cuDNN has, by RECORD, else by its folder."""
    major = main.path.rsplit(".", 1)[1]
    folder = os.path.dirname(site.inside(main.path) or "")
    names = {os.path.basename(path) for path in site.owner if folder and os.path.dirname(path) == folder}
    if not names:
        names = set(shell.listing(os.path.dirname(main.path)))
        names |= {"libcudnn_%s.so.9" % part for part in _PARTS} if major == "9" else set()
    return sorted(name for name in names for match in [_ONE.match(name)] if match and match.group(2) == major)


def _version(site: Site, main: Loaded) -> Tuple[int, ...]:
    """(9, 1, 0) from the wheel's metadata, else from the file's name."""
    owner = site.owner_of(main.path)
    return _numbers(str(site.version(owner)) if owner else os.path.basename(main.real).partition(".so.")[2])


def _numbers(text: str) -> Tuple[int, ...]:
    match = re.match(r"\d+(\.\d+){0,2}", text)
    return tuple(int(number) for number in match.group().split(".")) if match and len(text) < 60 else ()


def _find(process: Process, main: Loaded, part: str, version: Tuple[int, ...]) -> Tuple[Optional[str], Optional[str]]:
    """The names that cuDNN 9 tries, as its abort message lists them: the longest version first, none last."""
    there = process.loaded(part)
    if there is not None:
        return there.path, there.how
    stem = part.partition(".so")[0] + ".so"
    names = [stem + "".join(".%d" % number for number in version[:count]) for count in range(len(version), 0, -1)]
    for name in (names if part.endswith(".9") else []) + [part] + ([stem] if part.endswith(".9") else []):
        path, how = process.find(name, main)
        if path:
            return path, how
    return None, None


def _copy(path: str, own: str) -> bool:
    """The same file in another place, by its size."""
    try:
        return os.path.getsize(path) == os.path.getsize(own)
    except OSError:
        return False


def _gone(site: Site, main: Loaded, parts: List[str]) -> Finding:
    owner = site.owner_of(main.path) or "nvidia-cudnn-cu12"
    path = site.plain(os.path.join(os.path.dirname(main.path), parts[0]))
    message = "cuDNN's %s is nowhere to be found: its first use aborts the process" % ", ".join(parts)
    return finding("CUDNN", RUNTIME, message, owner, path, site.put_back_again(owner))


def _mixed(
    site: Site, main: Loaded, elsewhere: Dict[str, Tuple[str, Optional[str]]], count: int, version: Tuple[int, ...]
) -> Finding:
    """A whole newer cuDNN works; an older one is refused, and a part of one aborts."""
    path, how = next(iter(elsewhere.values()))
    other = _numbers(os.path.basename(os.path.realpath(path)).partition(".so.")[2])
    whole = len(elsewhere) == count
    newer = whole and len(other) > 1 and other[:2] >= version[:2]
    message = "libcudnn is %s, but %d of its %d sub-libraries come from elsewhere, e.g. %s (%s)"
    message %= (main.path, len(elsewhere), count, path, how)
    package = lacking(site, os.path.basename(path), None)
    cause = "environment" if how in FROM_OUTSIDE and site.inside(path) is None else "package"
    fix = (
        leave_out(path, how)
        if cause == "environment"
        else site.put_back_again(site.owner_of(main.path) or "nvidia-cudnn-cu12")
    )
    return finding("CUDNN-MIXED", DRIFT if newer else RUNTIME, message, package, path, fix, how, cause)
