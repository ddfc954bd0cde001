"""A service of ours besides the server (the endpoint, the cache) in one run, and the steps that both take."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pyinfra import host
from pyinfra.api import QuoteString, StringCommand

from facts.probed import Probed
from plan.place import Place
from plan.service import Text
from plan.settings import Settings
from tasks import check, helper, nginx
from tasks.workstation import Workstation

SYSTEMCTL = "XDG_RUNTIME_DIR=/run/user/$(id -u) systemctl --user"
LINGER = (  # the user's own services, from boot on
    'u="${SUDO_UID:-$(id -u)}"; loginctl enable-linger "$(getent passwd "$u" | cut -d: -f1)" && systemctl start "user@$u" && '
    '{ i=0; until test -S "/run/user/$u/bus"; do i=$((i+1)); test $i -lt 100 || exit 1; sleep 0.1; done; }'
)
SECONDS = 30  # until what was written runs
NO_SYSTEMD = (
    "the {what} needs systemd, which does not run here. Switch it on (in WSL: deploy/full.py does), or {instead}."
)
NOT_YET = "the {what} is not as planned yet. Run this again; journalctl --user -u {unit} shows what it says."


class Daemon:
    """Looks once and remembers, until something changes the machine. Those of one kind say what it is, and how it is looked at."""

    what: str  # in sentences
    unit: str
    fact: type[Probed]
    instead: str  # what to do on a machine without systemd
    wait: str  # the helper's command that waits until it runs what lies there

    def __init__(self, ws: Workstation) -> None:
        self.ws = ws
        self._seen: dict[str, Any] | None = None

    def query(self) -> dict[str, Any]:
        """What the fact is asked."""
        raise NotImplementedError

    def files(self) -> list[Text]:
        """Its files as they should be."""
        raise NotImplementedError

    def current(self) -> bool:
        """Whether it runs what lies there."""
        raise NotImplementedError

    @property
    def settings(self) -> Settings:
        """Of this host."""
        return self.ws.settings

    @property
    def seen(self) -> dict[str, Any] | None:
        """The fact, None where the machine has no python3."""
        if self._seen is None:
            self._seen = self.ws.host.get_fact(self.fact, query=json.dumps(self.query(), sort_keys=True))
        return self._seen

    def forget(self) -> None:
        """The machine was changed."""
        self._seen = None

    @property
    def place(self) -> Place:
        """Where its files lie."""
        seen = self.seen or {}
        return Place(root=seen["root"], home=seen["home"], uid=seen["uid"])

    def as_root(self, *bits: Any) -> StringCommand:
        """A command for root."""
        return StringCommand(*bits) if (self.seen or {}).get("uid") == 0 else StringCommand(*bits, _sudo=True)

    def command(self, name: str, *words: str) -> StringCommand:
        """A command of our helper about this machine's root."""
        return helper.command(self.place.root, name, self.place.root, *words)

    def stale(self) -> list[Text]:
        """Files that are not as they should be."""
        found = (self.seen or {})["files"]
        return [text for text in self.files() if not _same(found.get(text.path), text)]

    def helped(self) -> bool:
        """Whether our helper is there as we have it."""
        return bool((self.seen or {}).get("helper") == helper.digest())

    def up(self) -> bool:
        """Whether its unit runs as its file says."""
        unit = (self.seen or {})["unit"] or {}
        return unit.get("active") == "active" and not unit.get("needs_reload")

    def as_planned(self) -> bool:
        """Whether it runs what lies there, at boot too."""
        seen = self.seen or {}
        enabled = (seen["unit"] or {}).get("enabled") == "enabled"
        return self.up() and enabled and self.current() and bool(seen["linger"])


def _same(seen: Any, text: Text) -> bool:
    return bool(seen and seen["kind"] == "file" and seen["sha256"] == text.sha256 and seen["mode"] == text.mode)


def looked_at(one: Daemon) -> Iterator[StringCommand]:
    """Commands until there is a python3 to look with; one that fails where there is no systemd."""
    one.forget()
    if one.seen is None:
        yield StringCommand(check.SCRIPT)
        one.forget()
    if one.seen is not None and not one.seen["systemd"]:
        yield helper.fail(NO_SYSTEMD.format(what=one.what, instead=one.instead))


def programme(one: Daemon, wanted: Sequence[str], more: Sequence[StringCommand] = ()) -> Iterator[StringCommand]:
    """Install what is missing of `wanted` (`nginx`, `openssl`), what `more` installs, and our helper."""
    lacking = [name for name in wanted if not (one.seen or {})[name]]
    if one.helped() and not lacking and not more:
        host.noop("nginx and our helper are there")
        return
    yield from nginx.installed(lacking, one.as_root)
    yield from more
    if not one.helped():
        root = QuoteString(one.place.root)
        yield StringCommand("test -d", root, "|| { mkdir -p", root, "&& chmod 700", root, "; }")
        yield from helper.deliver(helper.path(one.place.root), helper.archive(), "600")
    one.forget()


def written(one: Daemon, more: Sequence[StringCommand] = ()) -> Iterator[StringCommand]:
    """Write the files that are not as planned, then what `more` writes."""
    stale = one.stale()
    yield from (helper.write(text.path, text.content.encode(), text.mode) for text in stale)
    yield from more
    if stale or more:
        one.forget()
    else:
        host.noop(f"the {one.what}'s files are as planned")


def running(one: Daemon, verb: str = "restart") -> Iterator[StringCommand]:
    """Make it run what lies there, at boot too. `verb`: systemctl's, for one that is not as planned."""
    if one.as_planned():
        host.noop(f"the {one.what} runs")
        return
    seen = one.seen or {}
    if not seen["linger"] or seen["unit"] is None:
        yield one.as_root(LINGER)
    yield StringCommand(f"{SYSTEMCTL} daemon-reload; {SYSTEMCTL} reset-failed {one.unit} 2>/dev/null; true")
    yield StringCommand(f"{SYSTEMCTL} enable -q {one.unit} && {SYSTEMCTL} {verb} {one.unit}")
    yield one.command(one.wait, str(SECONDS))
    one.forget()


def not_yet(one: Daemon) -> StringCommand:
    """A command that fails, for one that is not as planned after all steps."""
    return helper.fail(NOT_YET.format(what=one.what, unit=one.unit.removesuffix(".service")))
