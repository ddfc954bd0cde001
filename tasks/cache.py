"""The machine that keeps what the others download: nginx between them and the internet, as the user's own service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pyinfra import host
from pyinfra.api import Host, QuoteString, StringCommand

from facts.cache import Cache
from plan import cache
from plan.gateway import Place
from plan.service import Text
from tasks import check, helper, nginx
from tasks.gateway import LINGER, SYSTEMCTL
from tasks.packages import APT, UPDATE
from tasks.task import task
from tasks.workstation import Workstation

SECONDS = 30  # until it answers
NO_SYSTEMD = "the cache needs systemd, which does not run here. Switch it on (in WSL: deploy/full.py does), or choose another machine."
OTHER = "this is not the machine that the setting cache names ({}). Name that one with --limit, or change the setting."
VENV = f"{APT} install --no-install-recommends python3-venv"


class Kept:
    """Looks once and remembers, until something changes the machine."""

    def __init__(self, ws: Workstation) -> None:
        self.ws = ws
        self._seen: dict[str, Any] | None = None

    @property
    def seen(self) -> dict[str, Any] | None:
        """The fact, None where the machine has no python3."""
        if self._seen is None:
            self._seen = self.ws.host.get_fact(
                Cache,
                query=json.dumps(
                    {"root": self.ws.settings.root, "wheelhouse": self.ws.settings.wheelhouse}, sort_keys=True
                ),
            )
        return self._seen

    def forget(self) -> None:
        """The machine was changed."""
        self._seen = None

    @property
    def root(self) -> str:
        """Our directory, absolute."""
        return str((self.seen or {})["root"])

    @property
    def port(self) -> int:
        """Where it listens."""
        named = cache.address(self.ws.settings)
        return named[1] if named else cache.PORT

    def names(self) -> set[str]:
        """What the setting may call this machine."""
        found = {self.ws.host.name, str(self.ws.host.data.get("ssh_hostname") or "")}
        return found | ({"127.0.0.1", "localhost"} if self.ws.host.name.startswith("@") else set())

    def files(self) -> list[Text]:
        """Its files as they should be."""
        seen = self.seen or {}
        place = Place(root=seen["root"], home=seen["home"], uid=seen["uid"])
        return cache.files(place, self.ws.settings, self.port)

    def stale(self) -> list[Text]:
        """Those that are not."""
        found = (self.seen or {})["files"]
        return [text for text in self.files() if not _same(found.get(text.path), text)]

    def as_root(self, *bits: Any) -> StringCommand:
        """A command for root."""
        return StringCommand(*bits) if (self.seen or {}).get("uid") == 0 else StringCommand(*bits, _sudo=True)

    def helped(self) -> bool:
        """Whether our helper is there as we have it."""
        return bool((self.seen or {}).get("helper") == helper.digest())

    def current(self) -> bool:
        """Whether it runs what lies there."""
        return bool((self.seen or {}).get("running") == cache.digest(self.files()))


def _same(seen: Any, text: Text) -> bool:
    return bool(seen and seen["kind"] == "file" and seen["sha256"] == text.sha256 and seen["mode"] == text.mode)


_kept: dict[str, Kept] = {}


def _of(ws: Workstation) -> Kept:
    machine: Host = ws.host
    return _kept.setdefault(machine.name, Kept(ws))


@task
def python(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure that this is the machine that is meant, and that it has a python3.

    + ws: the host
    """
    kept, named = _of(ws), cache.address(ws.settings)
    if named and named[0] not in kept.names():
        yield helper.fail(OTHER.format(ws.settings.cache))
        return
    kept.forget()
    if kept.seen is None:
        yield StringCommand(check.SCRIPT)
        kept.forget()
    if kept.seen is not None and not kept.seen["systemd"]:
        yield helper.fail(NO_SYSTEMD)


@task
def programme(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure that our helper and nginx are there.

    + ws: the host
    """
    kept = _of(ws)
    if kept.seen is None:
        return
    if kept.helped() and kept.seen["nginx"] and kept.seen["venv"]:
        host.noop("nginx and our helper are there")
        return
    yield from nginx.installed({**kept.seen, "openssl": True}, kept.as_root)
    if not kept.seen["venv"]:  # pip, which knows where this machine's packages come from, comes with it
        yield kept.as_root(f"{VENV} || {{ {UPDATE}; {VENV}; }}")
    if not kept.helped():
        root = QuoteString(kept.root)
        yield StringCommand("test -d", root, "|| { mkdir -p", root, "&& chmod 700", root, "; }")
        yield from helper.deliver(helper.path(kept.root), helper.archive(), "600")
    kept.forget()


@task
def files(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure that configuration and unit are as planned.

    + ws: the host
    """
    kept = _of(ws)
    if kept.seen is None:
        return
    stale = kept.stale()
    for text in stale:
        yield helper.write(text.path, text.content.encode(), text.mode)
    if stale:
        kept.forget()
    else:
        host.noop("the cache's files are as planned")


@task
def carried(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure that the cache holds what the wheelhouse holds, where one is named.

    + ws: the host
    """
    kept = _of(ws)
    if kept.seen is None or not kept.seen["lacking"]:
        host.noop("there is nothing to take from a wheelhouse")
        return
    yield StringCommand(f"{SYSTEMCTL} stop {cache.UNIT} 2>/dev/null; true")  # it reads what it keeps when it starts
    yield helper.command(kept.root, "wheelhouse-take", kept.root, ws.settings.wheelhouse)
    kept.forget()


@task
def given(ws: Workstation) -> Iterator[StringCommand]:
    """
    Copy what the cache keeps into the wheelhouse.

    + ws: the host
    """
    kept = _of(ws)
    if not ws.settings.wheelhouse:
        yield helper.fail(
            "no wheelhouse is named. Add --data wheelhouse=FOLDER, a folder on the cache such as a disk that goes on a journey."
        )
        return
    kept.forget()
    if kept.seen is None or not kept.helped():
        yield helper.fail(
            "there is no cache here. Run deploy/cache.py, set a workstation up through it, and run this again."
        )
        return
    yield helper.command(kept.root, "wheelhouse-give", kept.root, ws.settings.wheelhouse)
    ws.verified = f"{ws.settings.wheelhouse} holds what the cache holds; in a lab without internet: deploy/cache.py --data wheelhouse={ws.settings.wheelhouse}"


@task
def running(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure that the cache runs what lies there, at boot too.

    + ws: the host
    """
    kept = _of(ws)
    if kept.seen is None:
        return
    unit = kept.seen["unit"] or {}
    up = unit.get("active") == "active" and not unit.get("needs_reload") and unit.get("enabled") == "enabled"
    if up and kept.current() and kept.seen["linger"]:
        host.noop("the cache runs")
        return
    if not kept.seen["linger"] or kept.seen["unit"] is None:
        yield kept.as_root(LINGER)
    yield StringCommand(f"{SYSTEMCTL} daemon-reload; {SYSTEMCTL} reset-failed {cache.UNIT} 2>/dev/null; true")
    yield StringCommand(f"{SYSTEMCTL} enable -q {cache.UNIT} && {SYSTEMCTL} restart {cache.UNIT}")
    yield helper.command(kept.root, "cache-wait", kept.root, str(SECONDS))
    kept.forget()


@task
def verified(ws: Workstation) -> Iterator[StringCommand]:
    """
    Look again, and say how the others use it.

    + ws: the host
    """
    kept = _of(ws)
    if kept.seen is None or not ws.host.state.is_executing:
        return
    if kept.stale() or not kept.current():
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
    ws.verified = f"a cache at port {kept.port}; the others use it with cache = {own!r}"
    host.noop(ws.verified)
