"""A lab's cache in one run: what was seen of its machine."""

from __future__ import annotations

import json
from typing import Any

from pyinfra.api import StringCommand

from facts.cache import Cache
from plan import cache
from plan.gateway import Place
from plan.service import Text
from tasks import helper
from tasks.workstation import Workstation


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


def of(ws: Workstation) -> Kept:
    """The one Kept of a host in this run."""
    return _kept.setdefault(ws.host.name, Kept(ws))
