"""Which package index this machine's own uv and pip use: no registry is named here, they are asked."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from typing import List, Optional, Tuple

# pip knows its default, and where that keeps files; Debian's interpreter has pip as a wheel beside it.
_ASK = """
import glob, sys
try:
    from pip._internal.models.index import PyPI
except ImportError:
    import ensurepip, os
    places = [getattr(ensurepip, "_WHEEL_PKG_DIR", None), os.path.join(os.path.dirname(ensurepip.__file__), "_bundled"), "/usr/share/python-wheels"]
    sys.path[:0] = [wheel for place in places if place for wheel in glob.glob(place + "/pip-*.whl")][:1]
    from pip._internal.models.index import PyPI
print(PyPI.simple_url, PyPI.file_storage_domain)
"""
UV_FILES = ("~/.config/uv/uv.toml", "/etc/uv/uv.toml", "/etc/xdg/uv/uv.toml")
PIP_FILES = ("~/.config/pip/pip.conf", "~/.pip/pip.conf", "/etc/pip.conf", "/etc/xdg/pip/pip.conf")
_PIP = re.compile(r"(?mi)^\s*index[-_]url\s*=\s*(\S+)")
_UV = re.compile(r'(?m)^\s*index-url\s*=\s*"([^"]+)"')


def uv(root: str) -> str:
    """The index that uv asks here; empty where none can be told."""
    return _set("UV_DEFAULT_INDEX", "UV_INDEX_URL") or _default_of_uv() or _default(root)


def pip(root: str) -> str:
    """The index that pip asks here; empty where none can be told."""
    return _set("PIP_INDEX_URL") or _find(_PIP, PIP_FILES) or _default(root)


def _default(root: str) -> str:
    return (standard(root) or ("", ""))[0]


def standard(root: str) -> Optional[Tuple[str, str]]:
    """pip's own default index, and the host of its files; None where there is no pip to ask."""
    for python in (root + "/tools/bin/python", "/usr/bin/python3", sys.executable):
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run([python, "-I", "-c", _ASK], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)
            words = done.stdout.decode("utf-8", "replace").split()
            if done.returncode == 0 and len(words) == 2:
                return words[0].rstrip("/"), words[1]
    return None


def _set(*names: str) -> str:
    return next((os.environ[name] for name in names if os.environ.get(name)), "")


def _default_of_uv() -> str:
    """`index-url`, or the `[[index]]` that is marked as the default."""
    for text in _texts(UV_FILES):
        found = _UV.search(text)
        if found:
            return found.group(1)
        for table in re.split(r"(?m)^\[\[index\]\]\s*$", text)[1:]:
            table = re.split(r"(?m)^\[", table)[0]
            url = re.search(r'(?m)^\s*url\s*=\s*"([^"]+)"', table)
            if url and re.search(r"(?m)^\s*default\s*=\s*true", table):
                return url.group(1)
    return ""


def _find(pattern: "re.Pattern[str]", files: Tuple[str, ...]) -> str:
    return next((found.group(1) for text in _texts(files) for found in [pattern.search(text)] if found), "")


def _texts(files: Tuple[str, ...]) -> List[str]:
    found = []
    for path in files:
        try:
            with open(os.path.expanduser(path), errors="replace") as file:
                found.append(file.read())
        except OSError:
            continue
    return found
