"""Long work in the background, one of a name at a time: it outlives the connection, and a second run joins the first.

A job holds a kernel lock on jobs/<name>/lock while it lives, so a dead one never blocks. State: jobs/<name>/status.json.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from typing import Any, Dict, List, Optional

from . import common

SEEN = ("damaged", "stray")  # parts of an order that only say what was seen


def folder(root: str, name: str) -> str:
    """Where a job keeps its lock, log and status."""
    return os.path.join(root, "jobs", name)


def start(root: str, name: str, argv: List[str]) -> str:
    """Start `argv` unless the job runs already; returns `started` or `joined`."""
    base = folder(root, name)
    os.makedirs(base, exist_ok=True)
    lock = os.open(base + "/lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        if _same_order(base, argv):
            return "joined"
        _replace(base, lock)
    os.set_inheritable(lock, True)
    if os.path.exists(base + "/progress.json"):
        os.unlink(base + "/progress.json")
    common.write(base + "/status.json", json.dumps({"state": "running", "since": time.time(), "argv": argv}))
    log = os.open(base + "/log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    own = os.path.abspath(sys.argv[0])
    process = subprocess.Popen(
        [sys.executable, own, "job-run", root, name, str(lock)] + argv,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        close_fds=True,
        pass_fds=[lock],
    )
    common.write(base + "/pid", str(process.pid))
    return "started"


def _same_order(base: str, argv: List[str]) -> bool:
    """Whether the job that runs was started with this order; one that starts now writes it down within a moment."""
    for _ in range(20):
        told = (common.load(base + "/status.json") or {}).get("argv")
        if isinstance(told, list) and _order(told) == _order(argv):
            return True
        time.sleep(0.1)
    return False


def _order(argv: List[str]) -> List[Any]:
    """What is asked for, without what the asker saw: a second run may look while the first is mending."""

    def plain(word: str) -> Any:
        try:
            order = json.loads(word)
        except ValueError:
            return word
        return {key: order[key] for key in order if key not in SEEN} if isinstance(order, dict) else word

    return [plain(word) for word in argv]


def _replace(base: str, lock: int) -> None:
    """A job of this name with another order runs: end it, and wait for its lock."""
    with contextlib.suppress(OSError, ValueError), open(base + "/pid") as file:
        os.killpg(int(file.read()), signal.SIGKILL)
    for _ in range(100):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError:
            time.sleep(0.1)
    raise common.Failure(
        "another run is at work here (%s). Wait for it to end and run this again." % os.path.basename(base)
    )


def run(root: str, name: str, lock: int, argv: List[str]) -> int:
    """Inside the background process: run the work, which holds the lock too, and write how it ended."""
    code = subprocess.call([sys.executable if argv[0] == "python3" else argv[0]] + argv[1:], pass_fds=[lock])
    lines = tail(root, name, 12)
    state = {"state": "done" if code == 0 else "failed", "code": code, "lines": lines, "ended": time.time()}
    common.write(folder(root, name) + "/status.json", json.dumps(state))
    return code


def progress(root: str, name: str, values: Dict[str, Any]) -> None:
    """What a job reports while it works; read by `wait`."""
    common.write(folder(root, name) + "/progress.json", json.dumps(values))


def tail(root: str, name: str, count: int) -> List[str]:
    """The last lines of a job's log."""
    try:
        with open(folder(root, name) + "/log", errors="replace") as file:
            return [line.rstrip() for line in file.read()[-8000:].splitlines() if line.strip()][-count:]
    except OSError:
        return []


def wait(root: str, name: str, seconds: float) -> Dict[str, Any]:
    """Status after the job ends or `seconds` pass: `state` running, done, failed, died or none; with `progress` and `lines`."""
    end = time.time() + seconds
    while True:
        state = status(root, name)
        if state["state"] != "running" or time.time() >= end:
            return dict(
                state,
                progress=common.load(folder(root, name) + "/progress.json"),
                lines=state.get("lines") or tail(root, name, 3),
            )
        time.sleep(0.2)


def status(root: str, name: str) -> Dict[str, Any]:
    """The recorded state; a job recorded as running that holds no lock has died."""
    recorded: Optional[Dict[str, Any]] = common.load(folder(root, name) + "/status.json")
    if recorded is None:
        return {"state": "none"}
    if recorded["state"] == "running" and not _locked(root, name):
        again: Optional[Dict[str, Any]] = common.load(
            folder(root, name) + "/status.json"
        )  # it may have ended in between
        return again if again and again["state"] != "running" else {"state": "died"}
    return recorded


def _locked(root: str, name: str) -> bool:
    try:
        lock = os.open(folder(root, name) + "/lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False
