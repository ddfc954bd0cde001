"""What a check found, its verdict, and the sentences that say the least repair."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Optional

from . import loader

Finding = Dict[str, Any]
DRIFT, RUNTIME, IMPORT = "drift", "runtime", "import"
VERDICTS = ("ok", "drift", "runtime-fails", "import-fails")
_LEVELS = (None, DRIFT, RUNTIME, IMPORT)
FROM_OUTSIDE = (loader.BY_VARIABLE, loader.BY_CACHE, loader.BY_DEFAULT)


def finding(
    code: str,
    level: str,
    message: str,
    package: Optional[str] = None,
    path: Optional[str] = None,
    fix: str = "",
    how: Optional[str] = None,
    cause: str = "package",
) -> Finding:
    """One finding in the shape that the answer has."""
    return {
        "code": code,
        "message": message,
        "package": package,
        "path": path,
        "fix": fix,
        "level": level,
        "cause": cause,
        "how": how,
    }


def verdict(found: List[Finding]) -> str:
    """The worst level."""
    return VERDICTS[max([_LEVELS.index(one["level"]) for one in found] or [0])]


def install(name: str, version: Optional[str], again: bool = False) -> str:
    """The command that puts one distribution right and touches no other; `again` where its version is right already."""
    return "uv pip install --no-deps%s %s%s" % (
        " --reinstall" if again else "",
        name,
        "==" + version if version else "",
    )


def leave_out(path: str, how: Optional[str]) -> str:
    """How to keep a foreign file out of the process."""
    folder = os.path.dirname(path)
    if how == loader.BY_VARIABLE:
        return "take %s out of LD_LIBRARY_PATH" % folder
    return "take %s out of /etc/ld.so.conf.d and run ldconfig" % folder
