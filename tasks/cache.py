"""The machine that keeps what the others download: nginx between them and the internet, as the user's own service."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api import StringCommand

from plan import cache
from tasks import daemon, helper, kept
from tasks.packages import APT, UPDATE
from tasks.task import task
from tasks.workstation import Workstation

OTHER = "this is not the machine that the setting cache names ({}). Name that one with --limit, or change the setting."
WHICH = "more than one machine would become a cache. Name one with --limit, or by the setting cache."
VENV = f"{APT} install --no-install-recommends python3-venv"


@task
def python(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure that this is the machine that is meant, and that it has a python3.

    + ws: the host
    """
    mine, named = kept.of(ws), cache.address(ws.settings)
    if named and named[0] not in mine.names():
        yield helper.fail(OTHER.format(ws.settings.cache))
        return
    state = ws.host.state
    if not named and len(state.limit_hosts or list(state.inventory)) > 1:
        yield helper.fail(WHICH)
        return
    yield from daemon.looked_at(mine)


@task
def programme(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure that our helper and nginx are there, and pip, which knows where this machine's packages come from.

    + ws: the host
    """
    mine = kept.of(ws)
    if mine.seen is not None:
        pip = [] if mine.seen["venv"] else [mine.as_root(f"{VENV} || {{ {UPDATE}; {VENV}; }}")]
        yield from daemon.programme(mine, ["nginx"], pip)


@task
def files(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure that configuration and unit are as planned.

    + ws: the host
    """
    mine = kept.of(ws)
    if mine.seen is not None:
        yield from daemon.written(mine)


@task
def running(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure that the cache runs what lies there, at boot too.

    + ws: the host
    """
    mine = kept.of(ws)
    if mine.seen is not None:
        yield from daemon.running(mine)


@task
def verified(ws: Workstation) -> Iterator[StringCommand]:
    """
    Look again, and say how the others use it.

    + ws: the host
    """
    mine = kept.of(ws)
    if mine.seen is None or not ws.host.state.is_executing:
        return
    if mine.stale() or not mine.current():
        yield daemon.not_yet(mine)
        return
    data = ws.host.data
    own = (
        ws.settings.cache
        or str(data.get("ssh_hostname") or "")
        or ("127.0.0.1" if ws.name.startswith("@") else ws.name)
    )
    ws.verified = f"a cache at port {mine.port}; the others use it with cache = {own!r}"
    host.noop(ws.verified)
