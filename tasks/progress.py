"""Follow a background job: a line every few seconds with bytes, rate and time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from pyinfra import logger
from pyinfra.api import StringCommand

from facts.job import Job
from tasks import helper
from tasks.workstation import Workstation

EVERY = 5  # seconds between looks; a line that says nothing new is left out
STRAIGHT = ": straight from the internet"  # ends what is said where a lab's cache did not do (tasks/remote/lan.py)
HEARTBEAT = 30  # seconds after which it is said again


def nothing(asked: dict[str, Any]) -> Iterator[StringCommand]:
    """The answer to jobs that ask for nothing."""
    yield from ()


def follow(
    ws: Workstation,
    job: str,
    what: str,
    answer: Callable[[dict[str, Any]], Iterator[StringCommand]] = nothing,
    why: Callable[[], str] = str,
) -> Iterator[StringCommand]:
    """Yield answers to what the job asks while it runs, and a failing command with its last words where it fails.

    For use at execute time. `answer` is given the job's progress, `why` adds a reason to a failure.
    """
    state, said, since = _ask(ws, job), ("", ""), time.monotonic()
    while state["state"] == "running":
        asked = state.get("progress") or {}
        now = (line(state), str(asked.get("spec")))  # the same words about another plan are news
        if now != said or time.monotonic() - since > HEARTBEAT:
            said, since = now, time.monotonic()
            logger.info(f"{ws.host.print_prefix}{what}: {now[0]}")
        yield from answer(asked)
        state = _ask(ws, job)
    ws.moved[job] = ws.moved.get(job, 0) + int((state.get("progress") or {}).get("moved") or 0)
    for words in state.get("lines", []):
        if words.endswith(STRAIGHT):
            logger.info(f"{ws.host.print_prefix}{what}: {words}")
    if state["state"] == "done":
        return
    words = "\n".join(state.get("lines", [])[-8:]) or "it left no words"
    if state["state"] == "died":
        words = f"it was killed. Run this again: it goes on where it stopped.\n{words}"
    yield helper.fail(f"{what} failed: {words}\n{why()}".rstrip())


def _ask(ws: Workstation, job: str) -> dict[str, Any]:
    state: dict[str, Any] = ws.host.get_fact(Job, helper=helper.path(ws.root), root=ws.root, job=job, seconds=EVERY)
    return state


def line(state: dict[str, Any]) -> str:
    """`1.2 of 3.4 GB, 45 MB/s, 0:49 left, 120/148 packages`, or the job's last log line."""
    progress = state.get("progress") or {}
    if not progress.get("total"):
        return str(progress.get("stage") or (state.get("lines") or ["working"])[-1][:150])
    done, total, rate = progress["bytes"], progress["total"], progress.get("rate") or 0
    text = f"{done / 1e9:.2f} of {total / 1e9:.2f} GB, {rate / 1e6:.0f} MB/s"
    if rate > 0:
        left = int((total - done) / rate)
        text += f", {left // 60}:{left % 60:02d} left"
    if progress.get("packages_total"):
        text += f", {progress['packages']}/{progress['packages_total']} packages"
    return text
