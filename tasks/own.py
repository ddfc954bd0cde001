"""Ours belongs to the user, and nothing of ours runs unsupervised."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api import QuoteString, StringCommand

from facts.probe.owner import OURS
from plan import service
from tasks import rooted
from tasks.task import task
from tasks.workstation import Workstation


@task
def files(ws: Workstation) -> Iterator[StringCommand]:
    """
    Give back to the user what a run under sudo left to root: what we made in our root directory, and the way to our unit.

    + ws: the host
    """
    if ws.machine is None:
        return
    ws.remember()
    user, owner = ws.machine.system.user, ws.machine.owner
    deep = any(one.code == "OWNER" for check in ws.machine.libraries.values() for one in check.findings)
    if not owner.root and not owner.home and not deep:
        host.noop("all of it is the user's")
        return
    who = f"{user.uid}:{user.gid}"
    if owner.root or deep:
        yield ws.as_root("chown -h --from=0", who, QuoteString(ws.root))
        loop = f'for n in {" ".join(OURS)}; do [ ! -e "$r/$n" -a ! -L "$r/$n" ] || chown -hRH --from=0 {who} "$r/$n" || exit 1; done'
        yield ws.as_root(StringCommand("r=", QuoteString(ws.root), _separator=""), f"; {loop}")
    if owner.home:
        yield ws.as_root("chown -h --from=0", who, *(QuoteString(path) for path in owner.home))
    ws.forget()


@task
def processes(ws: Workstation) -> Iterator[StringCommand]:
    """
    End servers and workers of ours that a dead run left: they hold the port and the card's memory.

    + ws: the host
    """
    if ws.machine is None or not ws.machine.service.orphans:
        host.noop("none")
        return
    yield rooted.end_orphans(ws.root, service.UNIT)
    ws.forget()
