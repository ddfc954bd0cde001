#!/usr/bin/python3
"""PID 1 of a lab host: lay the flavour's marks over /proc, /sys and /dev, then be the init.

nspawn's own --bind cannot do it: it mounts below /proc only after it has left the outer tree, and
systemd looks at /proc/sys/kernel/osrelease first of all.
"""

from __future__ import annotations

import configparser
import ctypes
import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

MARKS = Path("/usr/lib/standin/marks.json")
MS_BIND = 4096
MNT_DETACH = 2
LIBC = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2)."""
    if LIBC.mount(source.encode(), target.encode(), kind.encode(), flags, data.encode()):
        print(f"standin init: mount {source} {target}: {os.strerror(ctypes.get_errno())}")


def lay(marks: dict[str, Any]) -> None:
    """Directories in memory, then files, devices (/dev/null by another name) and bind mounts."""
    for directory in marks["tmpfs"]:
        mount("tmpfs", directory, "tmpfs", 0, "mode=755")
    for device in marks["devices"]:
        Path(device).touch()
        mount("/dev/null", device, flags=MS_BIND)
    for name, text in marks["files"].items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    for target, source in marks["binds"].items():
        mount(source, target, flags=MS_BIND)


def manager(name: str) -> None:
    """Who keeps this container, for systemd-detect-virt; empty: nobody, a machine of its own."""
    LIBC.umount2(b"/run/host", MNT_DETACH)
    shutil.rmtree("/run/host", ignore_errors=True)
    os.environ.pop("container", None)
    if name:
        os.environ.update(container=name)
        Path("/run/host").mkdir(exist_ok=True)
        Path("/run/host/container-manager").write_text(name)


def wants_systemd(pid1: str) -> bool:
    """Under WSL: [boot] systemd=true in /etc/wsl.conf, read at each start."""
    if pid1 != "wslconf":
        return pid1 == "systemd"
    conf = configparser.ConfigParser(strict=False, allow_no_value=True)
    with suppress(configparser.Error, OSError):
        conf.read("/etc/wsl.conf")
        return conf.get("boot", "systemd", fallback="false").strip().lower() == "true"
    return False


def stop(*_: object) -> None:
    """Power off: as WSL does, ask everything to end, then end it."""
    with suppress(ProcessLookupError):
        os.kill(-1, signal.SIGTERM)
        time.sleep(0.3)
        os.kill(-1, signal.SIGKILL)
    os._exit(0)


def serve() -> None:
    """No systemd: sshd as a child, and reap what is orphaned."""
    LIBC.prctl(15, b"init", 0, 0, 0)
    os.environ.pop("NOTIFY_SOCKET", None)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGRTMIN + 3):
        signal.signal(number, stop)
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    Path("/run/lock").mkdir(mode=0o1777, exist_ok=True)
    subprocess.Popen(["/usr/sbin/sshd", "-D", "-E", "/var/log/standin-sshd.log"])
    while True:
        try:
            os.wait()
        except ChildProcessError:
            time.sleep(0.2)


def main() -> None:
    """Marks, then systemd or our own loop."""
    marks = json.loads(MARKS.read_text())
    lay(marks)
    manager(marks["manager"])
    if wants_systemd(marks["pid1"]):
        os.execv("/lib/systemd/systemd", ["/lib/systemd/systemd"])
    serve()


main()
