"""A lab's cache in one run: what was seen of its machine."""

from __future__ import annotations

from typing import Any

from facts.cache import Cache
from plan import cache
from plan.service import Text
from tasks.daemon import Daemon
from tasks.workstation import Workstation


class Kept(Daemon):
    """The machine that is, or becomes, the cache."""

    what, unit, fact, wait = "cache", cache.UNIT, Cache, "cache-wait"
    instead = "choose another machine"

    def query(self) -> dict[str, Any]:
        """What the fact is asked."""
        return {"root": self.settings.root, "wheelhouse": self.settings.wheelhouse}

    @property
    def port(self) -> int:
        """Where it listens."""
        named = cache.address(self.settings)
        return named[1] if named else cache.PORT

    def names(self) -> set[str]:
        """What the setting may call this machine."""
        found = {self.ws.host.name, str(self.ws.host.data.get("ssh_hostname") or "")}
        return found | ({"127.0.0.1", "localhost"} if self.ws.host.name.startswith("@") else set())

    def files(self) -> list[Text]:
        """Its files as they should be."""
        return cache.files(self.place, self.settings, self.port)

    def current(self) -> bool:
        """Whether it runs what lies there."""
        return bool((self.seen or {}).get("running") == cache.digest(self.files()))


_kept: dict[str, Kept] = {}


def of(ws: Workstation) -> Kept:
    """The one Kept of a host in this run."""
    return _kept.setdefault(ws.host.name, Kept(ws))
