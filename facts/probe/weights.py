"""Model directories: what lies there, and what was checked when."""

from __future__ import annotations

import hashlib
import os
from typing import Any, Dict, Optional

from . import releases, shell

MARK = ".verified.json"  # {revision, files: {name: {size, mtime_ns, sha256}}}, written after every digest was checked


def describe(path: str, hashes: Any = False) -> Any:
    """None where there is no such directory; else sizes, times (and on wish digests) of its files and the record of the last check."""
    if not os.path.isdir(path):
        return None
    files: Dict[str, Dict[str, Any]] = {}
    for name in shell.listing(path):
        full = os.path.join(path, name)
        if os.path.isfile(full) and not name.startswith("."):
            info = os.stat(full)
            files[name] = {"size": info.st_size, "mtime_ns": info.st_mtime_ns}
            if hashes is True or (hashes and name in hashes):
                files[name]["sha256"] = sha256(full)
    return {"files": files, "partial_bytes": _partial(path), "verified": releases.load(os.path.join(path, MARK))}


def sha256(path: str) -> Optional[str]:
    """Digest of a file, read in pieces; None where it cannot be read."""
    found = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for piece in iter(lambda: file.read(1 << 22), b""):
                found.update(piece)
    except OSError:
        return None
    return found.hexdigest()


def _partial(path: str) -> int:
    """Bytes of unfinished downloads, which huggingface_hub keeps beside the files."""
    folder = os.path.join(path, ".cache/huggingface/download")
    names = [name for name in shell.listing(folder) if name.endswith(".incomplete")]
    return sum(os.path.getsize(os.path.join(folder, name)) for name in names)


def observe(query: Dict[str, Any]) -> Dict[str, Any]:
    """`{path: description}` of every model directory in the query and under our root."""
    root = os.path.expanduser(query["root"])
    own = [os.path.join(root, "models", name) for name in shell.listing(root + "/models")]
    named = [os.path.expanduser(path) for path in query["models"]]
    hashes = query.get("hash")
    return {path: describe(path, hashes) for path in named + [p for p in own if p not in named and os.path.isdir(p)]}
