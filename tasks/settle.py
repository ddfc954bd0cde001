"""A server that is starting by itself, after a boot or in another run, is waited for: to start it again would only take longer."""

from __future__ import annotations

import time
from collections.abc import Iterator

from pyinfra import logger
from pyinfra.api import StringCommand

from plan.converged import starting
from tasks.task import task
from tasks.workstation import Workstation

PAUSE = 2  # seconds between looks


@task
def server(ws: Workstation) -> Iterator[StringCommand]:
    """
    Wait while the planned server starts, for start_timeout at most. Nothing is changed.

    + ws: the host
    """
    until, said = time.monotonic() + ws.settings.start_timeout, False
    while ws.host.state.is_executing and _starting(ws) and time.monotonic() < until:
        if not said:
            logger.info(f"{ws.host.print_prefix}the server is starting: waiting for it")
            said = True
        time.sleep(PAUSE)
        ws.forget()
    yield from ()


def _starting(ws: Workstation) -> bool:
    return ws.machine is not None and ws.plan is not None and starting(ws.machine, ws.settings, ws.plan)
