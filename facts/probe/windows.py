"""Windows' own settings of WSL, as far as they are seen from inside."""

from __future__ import annotations

import codecs
import glob
from typing import List, Optional

from . import shell

PATTERN = "/mnt/c/Users/*/.wslconfig"


def wslconfig(pattern: str = PATTERN) -> Optional[str]:
    """Windows' .wslconfig of the one user who has one; None where there is none, several, or no Windows."""
    found: List[str] = glob.glob(pattern)
    data = shell.read_bytes(found[0], 1 << 16) if len(found) == 1 else None
    return None if data is None else text(data)


def text(data: bytes) -> str:
    """Bytes that a Windows program wrote, by their mark: PowerShell's > writes UTF-16, some editors a marked UTF-8."""
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if wide else "utf-8-sig", "replace")
