"""What a cache keeps, carried to a lab without internet in a folder."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api import StringCommand

from plan import cache
from tasks import helper, kept
from tasks.daemon import SYSTEMCTL
from tasks.task import task
from tasks.workstation import Workstation

NO_FOLDER = (
    "no wheelhouse is named. Add --data wheelhouse=FOLDER: a folder on the cache, such as one on a disk to carry."
)
NO_CACHE = "there is no cache here. Run deploy/cache.py, set a workstation up through it, and run this again."


@task
def carried(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure that the cache holds what the wheelhouse holds, where one is named.

    + ws: the host
    """
    mine = kept.of(ws)
    if mine.seen is None or not mine.seen["lacking"]:
        host.noop("there is nothing to take from a wheelhouse")
        return
    yield StringCommand(f"{SYSTEMCTL} stop {cache.UNIT} 2>/dev/null; true")  # it reads what it keeps when it starts
    yield mine.command("wheelhouse-take", ws.settings.wheelhouse)
    mine.forget()


@task
def given(ws: Workstation) -> Iterator[StringCommand]:
    """
    Copy what the cache keeps into the wheelhouse.

    + ws: the host
    """
    mine = kept.of(ws)
    if not ws.settings.wheelhouse:
        yield helper.fail(NO_FOLDER)
        return
    mine.forget()
    if mine.seen is None or not mine.helped():
        yield helper.fail(NO_CACHE)
        return
    if mine.seen["unfilled"]:
        yield mine.command("wheelhouse-give", ws.settings.wheelhouse)
        mine.forget()
    else:
        host.noop("the wheelhouse holds all")
    folder = ws.settings.wheelhouse
    ws.verified = (
        f"{folder} holds what the cache holds; in a lab without internet: deploy/cache.py --data wheelhouse={folder}"
    )
