"""Before a server behind a door is started again: no new requests, and those under way are finished."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from typing import Any, Dict, Iterator

from . import common, identity, jobs

NOTICED = 1  # second until a request that has just passed the door is counted
LONGEST = 60  # seconds for answers under way
KEYED = 2  # seconds until a door sends another key
RUNNING = re.compile(rb"^vllm:num_requests_(?:running|waiting)(?:\{[^}]*\})? ([0-9.e+]+)$", re.M)


@contextlib.contextmanager
def drained(root: str) -> Iterator[None]:
    """Mark the door, wait, and take the mark off whatever happens; nothing where there is no door."""
    mark = root + "/gateway/draining"
    if not os.path.exists(root + "/gateway/gateways.pem"):
        yield
        return
    common.write(mark, "%d\n" % os.getpid())
    try:
        _wait(root, common.load(root + "/service/plan.json") or {})
        yield
    finally:
        end(root)


def end(root: str) -> None:
    """Requests come again, with the key that the server has now."""
    if identity.refresh(root):
        told = common.load(root + "/gateway/state/running.json") or {}
        if _ours(told.get("pid")):
            os.kill(told["pid"], signal.SIGHUP)
            time.sleep(KEYED)
    with contextlib.suppress(OSError):
        os.unlink(root + "/gateway/draining")


def orphaned(root: str) -> None:
    """Take a mark off whose start is no more: killed, or switched off with the machine. An empty one is a person's, and stays."""
    mark = root + "/gateway/draining"
    holder = common.text(mark).strip()
    if holder and not _ours(holder):
        common.log("the start that kept requests away is no more: they come again")
        with contextlib.suppress(OSError):
            os.unlink(mark)


def _ours(pid: Any) -> bool:
    """Whether a process is there, and one of our helper's."""
    try:
        with open("/proc/%d/cmdline" % int(pid), "rb") as file:
            return b"helper.pyz" in file.read()
    except (OSError, TypeError, ValueError):
        return False


def _wait(root: str, plan: Dict[str, Any]) -> None:
    since = time.time()
    while time.time() - since < LONGEST:
        left = running(plan)
        if left is None or (left == 0 and time.time() - since > NOTICED):
            return
        jobs.progress(root, "start", {"stage": "%d requests are finished first" % left})
        time.sleep(0.5)


def running(plan: Dict[str, Any]) -> Any:
    """Requests that the server works on; None where it does not answer."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(plan.get("host", ""), plan.get("host"))
    try:
        with common.near("http://%s:%s/metrics" % (host, plan.get("port")), timeout=5) as answer:
            return int(sum(float(found) for found in RUNNING.findall(answer.read(1 << 22))))
    except (OSError, ValueError):
        return None
