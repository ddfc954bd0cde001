"""Our root directory: tools, releases, which is current, and what was decided when."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
from typing import Any, Dict, Optional

from . import shell

MARK = ".complete"  # written last, after the smoke test
LOCK = "pylock.toml"  # what is installed; a release keeps a copy of its own


def load(path: str) -> Optional[Any]:
    """The JSON object in a file, or None."""
    try:
        found = json.loads(shell.read(path) or "")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def distributions(venv: str) -> Dict[str, str]:
    """`{normalised name: version}` from the names of the dist-info directories."""
    found = {}
    for path in glob.glob(glob.escape(venv) + "/lib/python3*/site-packages/*.dist-info"):
        name, _, version = os.path.basename(path)[: -len(".dist-info")].partition("-")
        found[re.sub(r"[-_.]+", "-", name).lower()] = version
    return found


def digest(path: str) -> Optional[str]:
    """sha256 of a file's first 64 MiB; None where it cannot be read."""
    data = shell.read_bytes(path, 64 << 20)
    return None if data is None else hashlib.sha256(data).hexdigest()


def lock(path: str) -> Optional[str]:
    """The name that a lock has by its content."""
    return (digest(path) or "")[:16] or None


def venv(path: str) -> Dict[str, Any]:
    """A venv: does its interpreter exist, is it complete, what is in it."""
    python = os.path.join(path, "bin/python")
    match = re.search(r"^version(?:_info)?\s*=\s*([\d.]+)", shell.read(os.path.join(path, "pyvenv.cfg")) or "", re.M)
    return {
        "python_works": os.path.exists(python)
        and os.path.exists(os.path.join(path, "pyvenv.cfg"))
        and bool(glob.glob(glob.escape(path) + "/lib/python3*/site-packages")),
        "python": match.group(1) if match else None,
        "complete": load(os.path.join(path, MARK)),
        "lock": lock(os.path.join(path, LOCK)),
        "distributions": distributions(path),
    }


def observe(query: Dict[str, Any]) -> Dict[str, Any]:
    """`current` is the release name that the link leads to, even where that is gone."""
    root = os.path.expanduser(query["root"])
    link = os.path.join(root, "current")
    names = [n for n in shell.listing(root + "/releases") if os.path.isdir(os.path.join(root, "releases", n))]
    current = os.path.basename(os.readlink(link)) if os.path.islink(link) else None
    return {
        "root": root,
        "root_present": os.path.isdir(root),
        "choice": load(root + "/choice.json"),
        "start": load(root + "/service/plan.json"),
        "outcomes": load(root + "/service/outcomes.json"),
        "pinned": load(root + "/pinned.json"),
        "tools": venv(root + "/tools") if os.path.isdir(root + "/tools") else None,
        "uv": shell.which("uv", [root + "/tools/bin"]),
        "releases": {name: venv(os.path.join(root, "releases", name)) for name in names},
        "current": current,
        "current_kind": "link" if current else "other" if os.path.lexists(link) else None,
        "locks": {name: lock("%s/locks/%s/%s" % (root, name, LOCK)) for name in shell.listing(root + "/locks")},
    }
