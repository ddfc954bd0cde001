"""End processes of our server that nothing supervises: they hold the port and the card's memory."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from typing import Any, Dict, List

from . import common

PATIENCE = 10  # seconds from SIGTERM to SIGKILL
PAUSE = 0.2


def end(root: str, unit: str) -> None:
    """Ask, then kill; says how many there were. Raises common.Failure where one stays."""
    found = left = _orphans(root, unit)
    for number, limit in ((signal.SIGTERM, PATIENCE), (signal.SIGKILL, PATIENCE)):
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process["pid"], number)
        stop = time.time() + limit
        while left and time.time() < stop:
            time.sleep(PAUSE)
            left = _orphans(root, unit)
    if left:
        told = ", ".join("%d (%s)" % (process["pid"], process["command"][:60]) for process in left)
        raise common.Failure(
            "these leftovers of an earlier server do not end: %s. Restart the machine and run this again." % told
        )
    if found:
        common.log("ended %d leftovers of an earlier server" % len(found))


def _orphans(root: str, unit: str) -> List[Dict[str, Any]]:
    supervised = common.probe("service").supervised(root)
    found: List[Dict[str, Any]] = common.probe("processes").orphans(
        root, unit, supervised["pid"] if supervised else None
    )
    return found


def main(argv: List[str]) -> None:
    """The command line: root, unit."""
    try:
        end(*argv)
    except common.Failure as failure:
        sys.exit(str(failure))
