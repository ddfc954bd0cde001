"""Start the server and hear it answer; with less and less where memory runs out; else what served before, again."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any, Dict, Optional

from . import common, drain, good, jobs, manager, orphans, outcome

STEPS = 4  # plans that are tried in one run
WAIT = 120  # seconds for a smaller plan to be written
SETTLE = 2  # seconds until a driver has taken back a dead server's memory
DECLINED = "declined.json"  # written by whoever follows this job: there is no smaller plan


def run(root: str, supervisor: str) -> None:
    """(Re)start and wait. Raises common.Failure with the server's own last words."""
    with drain.drained(root):
        _run(root, supervisor)


def _run(root: str, supervisor: str) -> None:
    orphans.end(root, manager.UNIT)
    failure = _smaller_and_smaller(root, supervisor)
    if failure is None:
        return
    if not good.go_back(root):
        raise failure
    jobs.progress(root, "start", {"stage": "starting what served before again"})
    try:
        outcome.served(root, common.load(root + "/service/plan.json") or {}, _start(root, supervisor))
    except common.Failure as error:
        raise common.Failure("%s\nWhat served before does not start either: %s" % (failure, error)) from failure
    raise common.Failure("%s\nWhat served before was started again and answers." % failure) from failure


def _start(root: str, supervisor: str) -> Any:
    return manager.systemd(root) if supervisor == "systemd" else manager.supervisord(root)


def _smaller_and_smaller(root: str, supervisor: str) -> Optional[common.Failure]:
    """Start; where memory runs out again with the next plan, STEPS times at most. None once it has answered."""
    for left in reversed(range(STEPS)):
        plan = common.load(root + "/service/plan.json") or {}
        try:
            lines = _start(root, supervisor)
        except common.Failure as error:
            failure = error
        else:
            good.remember(root)
            outcome.served(root, plan, lines)
            return None
        told = outcome.failed(root, plan, getattr(failure, "lines", []))
        if told is None or not left or not smaller(root, plan["spec"], outcome.sentence(told, plan["stages"])):
            break
    return failure


def smaller(root: str, spec: str, sentence: str) -> bool:
    """Ask whoever follows this job for a plan with another spec; False where none comes."""
    answer = "%s/%s" % (jobs.folder(root, "start"), DECLINED)
    with contextlib.suppress(OSError):
        os.unlink(answer)
    common.log(sentence)
    time.sleep(SETTLE)
    jobs.progress(root, "start", {"stage": sentence, "wants": "smaller plan", "spec": spec})
    end = time.time() + WAIT
    while time.time() < end and not os.path.exists(answer):
        if _spec(root) not in (None, spec):
            jobs.progress(root, "start", {})
            return True
        time.sleep(0.5)
    jobs.progress(root, "start", {})
    return False


def _spec(root: str) -> Any:
    plan: Dict[str, Any] = common.load(root + "/service/plan.json") or {}
    return plan.get("spec")
