"""Small pieces that every command uses: atomic files, a clean environment, failing with one sentence."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib
import json
import os
import sys
import tempfile
import time
import urllib.request
from typing import Any, Dict, Iterator, Optional

CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
# What an activated environment or a shell profile must not leak into ours.
FOREIGN = (
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "PYTHONPATH",
    "PYTHONHOME",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "UV_PROJECT_ENVIRONMENT",
)


class Failure(Exception):
    """One sentence for the user: what failed and what to do."""


def write(path: str, text: str, mode: int = 0o644) -> None:
    """Write a file so that a reader sees the old or the new one, never a part."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".tmp-")
    try:
        os.fchmod(handle, mode)
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def load(path: str) -> Optional[Any]:
    """A JSON file, or None."""
    try:
        with open(path) as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def text(path: str) -> str:
    """A small file's text; empty where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def digest(path: str) -> str:
    """sha256 of a small file; empty where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return ""


def near(url: str, timeout: float) -> Any:
    """An answer of this machine or of its neighbour, whatever proxy the site has for the internet. Raises OSError."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=timeout)


def probe(name: str) -> Any:
    """A module of facts/probe, which travels in the same archive."""
    return importlib.import_module("probe." + name)


def link(path: str, target: str) -> None:
    """Point a symbolic link elsewhere in one step; what is no link there is moved aside."""
    if os.path.lexists(path) and not os.path.islink(path):
        os.rename(path, "%s.moved-aside-%d" % (path, time.time()))
    temporary = "%s.new-%d" % (path, os.getpid())
    with contextlib.suppress(OSError):
        os.unlink(temporary)
    os.symlink(target, temporary)
    os.replace(temporary, path)


def environment(root: str, find_links: str = "") -> Dict[str, str]:
    """The process environment for uv, pip and the hub: the system's certificates, our caches, nobody's venv."""
    env = {key: value for key, value in os.environ.items() if key not in FOREIGN}
    env.update(
        {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
        }
    )
    if os.path.exists(CA_BUNDLE):  # uv, pip and requests carry lists of their own, which a site's proxy is not in
        for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"):
            env.setdefault(name, CA_BUNDLE)
    env.update(
        {
            "UV_CACHE_DIR": root + "/cache/uv",
            "UV_PYTHON_INSTALL_DIR": root + "/python",
            "UV_NO_PROGRESS": "0",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
    )
    env.setdefault("UV_HTTP_TIMEOUT", "60")
    if find_links and (find_links.startswith("http") or os.path.exists(find_links)):
        env.update({"UV_FIND_LINKS": find_links, "PIP_FIND_LINKS": find_links})
    return env


@contextlib.contextmanager
def alone(root: str) -> Iterator[None]:
    """Wait until no other run does such work here; the kernel frees the lock of a dead one."""
    os.makedirs(root, exist_ok=True)
    handle = os.open(root + "/lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def log(text: str) -> None:
    """A line for the job's log."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
