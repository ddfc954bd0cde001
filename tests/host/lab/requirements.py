"""Whether a lab can run on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess

from .registry import discover
from .settings import LabError

_TOOLS = (
    *("debootstrap", "systemd-nspawn", "ip", "nsenter", "unshare", "openssl", "gpg", "ssh", "git"),
    *("gcc", "chroot", "apt-get"),
)
_TRY = "mount -t tmpfs tmpfs /mnt && ip link add labtry type veth peer name labtry2"


def missing() -> str:
    """Why no lab can run here; empty when one can."""
    if os.geteuid() != 0:
        return "the lab needs root (namespaces, mounts)"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    absent = [tool for tool in _TOOLS if not shutil.which(tool, path=path)]
    if absent:
        return f"not installed: {', '.join(absent)}"
    words = ["unshare", "--mount", "--net", "sh", "-c", _TRY]
    tried = subprocess.run(words, check=False, capture_output=True, text=True)
    if tried.returncode:
        return f"no right to mount or to make network namespaces: {tried.stderr.strip()}"
    try:
        discover()
    except (LabError, OSError) as error:
        return f"no package registry: {error}"
    return ""
