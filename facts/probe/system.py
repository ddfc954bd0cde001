"""Operating system, processor, memory, disk and build tools."""

from __future__ import annotations

import glob
import os
import platform
import pwd
import re
import sys
from typing import Any, Dict, List, Optional

from . import shell

CPU_FLAGS = ("avx", "avx2", "avx512f", "avx512_bf16", "amx_tile", "fma")


def parse_os_release(text: str) -> Dict[str, Optional[str]]:
    """`id, version_id, codename, name` of an os-release file (freedesktop.org os-release(5); what `distro` returns)."""
    fields: Dict[str, str] = {}
    for line in text.splitlines():
        key, separator, value = line.strip().partition("=")
        if separator and not key.startswith("#"):
            fields[key] = value.strip().strip("\"'")
    return {
        "id": fields.get("ID", "").lower() or None,
        "id_like": fields.get("ID_LIKE") or None,
        "version_id": fields.get("VERSION_ID") or None,
        "codename": fields.get("VERSION_CODENAME") or fields.get("UBUNTU_CODENAME") or None,
        "name": fields.get("PRETTY_NAME") or fields.get("NAME") or None,
    }


def parse_cpu_flags(cpuinfo: str) -> List[str]:
    """The flags of /proc/cpuinfo that decide which CPU build runs."""
    match = re.search(r"^flags\s*:\s*(.*)$", cpuinfo, re.M)
    present = set(match.group(1).split()) if match else set()
    return [flag for flag in CPU_FLAGS if flag in present]


def parse_meminfo(text: str) -> Dict[str, Optional[int]]:
    """`total_mib, available_mib, swap_mib` of /proc/meminfo."""
    kib = {m.group(1): int(m.group(2)) for m in re.finditer(r"^(\w+):\s+(\d+) kB", text, re.M)}
    keys = {"total_mib": "MemTotal", "available_mib": "MemAvailable", "swap_mib": "SwapTotal"}
    return {name: kib[key] // 1024 if key in kib else None for name, key in keys.items()}


def container() -> Optional[str]:
    """Name of the container manager where this is a container without a machine of its own, else None."""
    if os.path.exists("/.dockerenv"):
        return "docker"
    if os.path.exists("/run/.containerenv"):
        return "podman"
    environ = shell.read("/run/systemd/container")
    return environ.strip() if environ else None


def disk(path: str) -> Dict[str, Any]:
    """Free and total bytes of the file system that holds `path` or its nearest existing parent."""
    path = os.path.abspath(os.path.expanduser(path))
    while not os.path.exists(path) and path != "/":
        path = os.path.dirname(path)
    try:
        stat = os.statvfs(path)
    except OSError:
        return {"free_bytes": None, "total_bytes": None}
    return {"free_bytes": stat.f_bavail * stat.f_frsize, "total_bytes": stat.f_blocks * stat.f_frsize}


def pythons() -> Dict[str, Dict[str, bool]]:
    """System Pythons by `X.Y`, and whether each has its C headers and can make a venv."""
    found: Dict[str, Dict[str, bool]] = {}
    for path in glob.glob("/usr/bin/python3.*"):
        version = path.rpartition("python")[2]
        if re.fullmatch(r"3\.\d+", version):
            found[version] = {
                "headers": os.path.exists("/usr/include/python%s/Python.h" % version),
                "venv": bool(glob.glob("/usr/lib/python%s/ensurepip/__init__.py" % version)),
            }
    return found


def sudo() -> Dict[str, Any]:
    """Whether this user is root, has sudo, and may use it without a password now."""
    path = shell.which("sudo")
    free = shell.run([path, "-n", "true"]).code == 0 if path else False
    return {"root": os.geteuid() == 0, "present": bool(path), "passwordless": free}


def observe(query: Dict[str, Any]) -> Dict[str, Any]:
    """Everything of this subject."""
    user = pwd.getpwuid(os.geteuid())
    return {
        "os": parse_os_release(shell.read("/etc/os-release") or shell.read("/usr/lib/os-release") or ""),
        "kernel": platform.release(),
        "arch": platform.machine(),
        "hostname": platform.node(),
        "libc": "-".join(platform.libc_ver()),
        "user": {
            "name": user.pw_name,
            "uid": user.pw_uid,
            "gid": user.pw_gid,
            "home": user.pw_dir,
            "shell": user.pw_shell,
        },
        "sudo": sudo(),
        "systemd": os.path.isdir("/run/systemd/system"),
        "pid1": (shell.read("/proc/1/comm") or "").strip() or None,
        "container": container(),
        "cpu_flags": parse_cpu_flags(shell.read("/proc/cpuinfo") or ""),
        "cpus": len(os.sched_getaffinity(0)),
        "memory": parse_meminfo(shell.read("/proc/meminfo") or ""),
        "disk": disk(query["root"]),
        "python": "%d.%d" % sys.version_info[:2],
        "pythons": pythons(),
        "gcc": shell.which("gcc"),
        "ca_bundle": os.path.exists("/etc/ssl/certs/ca-certificates.crt"),
    }
