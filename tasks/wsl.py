"""systemd in WSL."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api import StringCommand

from plan import wslconf
from tasks import helper
from tasks.task import task
from tasks.workstation import Workstation


@task
def systemd(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ask WSL for systemd at its next start, where it does not run.

    + ws: the host
    """
    if ws.plan is None or ws.plan.refusals or ws.plan.wsl_conf is None:
        host.noop("nothing to change in /etc/wsl.conf")
        return
    yield ws.as_root(helper.write(wslconf.PATH, ws.plan.wsl_conf.encode(), "644"))
    ws.forget()
