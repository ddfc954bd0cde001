"""The machine that keeps what the others download: nginx between them and the internet, as the user's own service."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api import QuoteString, StringCommand

from plan import cache
from tasks import check, helper, kept, nginx
from tasks.gateway import LINGER, SYSTEMCTL
from tasks.packages import APT, UPDATE
from tasks.task import task
from tasks.workstation import Workstation

SECONDS = 30  # until it answers
NO_SYSTEMD = "the cache needs systemd, which does not run here. Switch it on (in WSL: deploy/full.py does), or choose another machine."
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
    mine.forget()
    if mine.seen is None:
        yield StringCommand(check.SCRIPT)
        mine.forget()
    if mine.seen is not None and not mine.seen["systemd"]:
        yield helper.fail(NO_SYSTEMD)


@task
def programme(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure that our helper and nginx are there.

    + ws: the host
    """
    mine = kept.of(ws)
    if mine.seen is None:
        return
    if mine.helped() and mine.seen["nginx"] and mine.seen["venv"]:
        host.noop("nginx and our helper are there")
        return
    yield from nginx.installed({**mine.seen, "openssl": True}, mine.as_root)
    if not mine.seen["venv"]:  # pip, which knows where this machine's packages come from, comes with it
        yield mine.as_root(f"{VENV} || {{ {UPDATE}; {VENV}; }}")
    if not mine.helped():
        root = QuoteString(mine.root)
        yield StringCommand("test -d", root, "|| { mkdir -p", root, "&& chmod 700", root, "; }")
        yield from helper.deliver(helper.path(mine.root), helper.archive(), "600")
    mine.forget()


@task
def files(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure that configuration and unit are as planned.

    + ws: the host
    """
    mine = kept.of(ws)
    if mine.seen is None:
        return
    stale = mine.stale()
    for text in stale:
        yield helper.write(text.path, text.content.encode(), text.mode)
    if stale:
        mine.forget()
    else:
        host.noop("the cache's files are as planned")


@task
def running(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure that the cache runs what lies there, at boot too.

    + ws: the host
    """
    mine = kept.of(ws)
    if mine.seen is None:
        return
    unit = mine.seen["unit"] or {}
    up = unit.get("active") == "active" and not unit.get("needs_reload") and unit.get("enabled") == "enabled"
    if up and mine.current() and mine.seen["linger"]:
        host.noop("the cache runs")
        return
    if not mine.seen["linger"] or mine.seen["unit"] is None:
        yield mine.as_root(LINGER)
    yield StringCommand(f"{SYSTEMCTL} daemon-reload; {SYSTEMCTL} reset-failed {cache.UNIT} 2>/dev/null; true")
    yield StringCommand(f"{SYSTEMCTL} enable -q {cache.UNIT} && {SYSTEMCTL} restart {cache.UNIT}")
    yield helper.command(mine.root, "cache-wait", mine.root, str(SECONDS))
    mine.forget()


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
        yield helper.fail(
            "the cache is not as planned yet. Run this again; journalctl --user -u vllm-workstation-cache shows what it says."
        )
        return
    data = ws.host.data
    own = (
        ws.settings.cache
        or str(data.get("ssh_hostname") or "")
        or ("127.0.0.1" if ws.name.startswith("@") else ws.name)
    )
    ws.verified = f"a cache at port {mine.port}; the others use it with cache = {own!r}"
    host.noop(ws.verified)
