"""Who owns what is ours: a run under sudo leaves files behind that the user can no longer write."""

from __future__ import annotations

import os
from typing import Any, Dict, List

from . import shell

DEPTH = 3  # levels below our root; what lies deeper is looked at by the library check
MOST = 20
# What we make in our root: nothing else there is touched, should somebody have chosen a directory that holds more.
OURS = (
    "cache",
    "choice.json",
    "current",
    "jobs",
    "lib",
    "lock",
    "locks",
    "models",
    "pinned.json",
    "python",
    "releases",
    "service",
    "tools",
)
HOME = (".config", ".config/systemd", ".config/systemd/user")


MARKS = ("choice.json", "lib/helper.pyz")  # what no other program's directory has


def foreign(paths: List[str], uid: int) -> List[str]:
    """Those that exist and belong to somebody else."""
    found = []
    for path in paths:
        try:
            if os.lstat(path).st_uid != uid:
                found.append(path)
        except OSError:
            pass
    return found


def below(root: str, depth: int = DEPTH) -> List[str]:
    """A directory and what it holds, `depth` levels down; links are not followed."""
    found = [root]
    if depth and os.path.isdir(root) and not os.path.islink(root):
        for name in shell.listing(root):
            found += below(os.path.join(root, name), depth - 1)
    return found


def observe(query: Dict[str, Any]) -> Dict[str, Any]:
    """`root` and `home`: paths (20 at most each) of another user, in our root and on the way to our unit."""
    uid, home = os.geteuid(), os.path.expanduser("~")
    try:
        if uid == 0 and os.stat(home).st_uid != 0:  # sudo that kept HOME: what is here is not root's to take
            return {"root": [], "home": []}
    except OSError:
        pass
    unit = os.path.join(home, HOME[-1], query["unit"])
    way = [os.path.join(home, name) for name in HOME] + [unit]
    way += [home + "/.config/systemd/user/default.target.wants"]
    root = os.path.expanduser(query["root"])
    ours = [path for name in OURS for path in below(os.path.join(root, name), DEPTH - 1)]
    way = [path for path in way if os.path.realpath(os.path.dirname(path)).startswith(os.path.realpath(home))]
    marked = any(os.path.lexists(os.path.join(root, name)) for name in MARKS)
    return {
        "root": foreign([root] + ours, uid)[:MOST] if marked else [],
        "home": foreign(way, uid)[:MOST],
    }
