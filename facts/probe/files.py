"""Files that the plan keeps: digest, mode and owner of each."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import Any, Dict

from . import shell


def describe(path: str) -> Any:
    """None where there is nothing; otherwise `kind`, `mode` (octal text), `uid`, and `sha256` or the link's `target`."""
    try:
        info = os.lstat(path)
    except OSError:
        return None
    kind = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}.get(
        stat.S_IFMT(info.st_mode), "other"
    )
    found: Dict[str, Any] = {"kind": kind, "mode": oct(stat.S_IMODE(info.st_mode))[2:], "uid": info.st_uid}
    if kind == "link":
        found["target"] = os.readlink(path)
    if kind == "file":
        data = shell.read_bytes(path)
        found["sha256"] = None if data is None else hashlib.sha256(data).hexdigest()
    return found


def observe(query: Dict[str, Any]) -> Dict[str, Any]:
    """`{absolute path: description}` of the paths in the query (`~` is the user's home)."""
    return {os.path.expanduser(path): describe(os.path.expanduser(path)) for path in query["files"]}
