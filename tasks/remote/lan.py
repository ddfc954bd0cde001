"""A lab's cache as a client sees it: https://NAME/PATH is asked for as http://CACHE/https/NAME/PATH; without it, straight."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import sys
from typing import Any, Callable, Dict, List, Optional, Tuple, TypeVar

SECONDS = 2  # until a cache that takes no connection counts as away
BUSY = 30  # seconds for the answer of one that took it: many ask at once
_ORIGIN = re.compile(r"(https?)://([A-Za-z0-9.-]+(?::\d+)?)(?=[/\s\"'<>#?]|$)")
_URLS = ("UV_FIND_LINKS", "PIP_FIND_LINKS", "UV_INDEX", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL")
PYTHONS = "https://github.com/astral-sh/python-build-standalone/releases/download"  # uv's own default
T = TypeVar("T")


class Lan:
    """A cache that answers. `sites`: origins that it fetches; `below`: https names that end so."""

    def __init__(self, base: str, sites: List[str], below: List[str]) -> None:
        self.base, self.sites, self.below = base, set(sites), tuple("." + end for end in below)

    def has(self, scheme: str, name: str) -> bool:
        """Whether it fetches from there."""
        return "%s://%s" % (scheme, name.lower()) in self.sites or (
            scheme == "https" and name.lower().endswith(self.below)
        )

    def to(self, text: str) -> str:
        """Text with every URL that the cache serves led through it; others stay (so do those with a user's name in them)."""

        def through(found: "re.Match[str]") -> str:
            scheme, name = found.groups()
            return "%s/%s/%s" % (self.base, scheme, name) if self.has(scheme, name) else found.group(0)

        return _ORIGIN.sub(through, text)

    def files(self, lock: str) -> str:
        """A lock whose files come through the cache; the names of their indexes stay."""
        return re.sub(r'(\burl = ")([^"]+)"', lambda found: '%s%s"' % (found.group(1), self.to(found.group(2))), lock)

    def back(self, text: str) -> str:
        """Text as it would be without the cache."""
        return re.sub(re.escape(self.base) + r"/(https?)/", r"\1://", text)

    def environment(self, env: Dict[str, str], uv: str = "", pip: str = "") -> Dict[str, str]:
        """An environment for uv and pip that asks the cache. `uv`, `pip`: the index that each uses here."""
        found = {key: self.to(value) if key in _URLS else value for key, value in env.items()}
        host = self.base.partition("://")[2].rpartition(":")[0]
        found.update(near(found, host))
        if uv and self.to(uv) != uv:
            found.pop("UV_INDEX_URL", None)
            found["UV_DEFAULT_INDEX"] = self.to(uv)
        if pip and self.to(pip) != pip:
            found.update({"PIP_INDEX_URL": self.to(pip), "PIP_TRUSTED_HOST": host})
        if self.to(PYTHONS) != PYTHONS:
            found.setdefault("UV_PYTHON_INSTALL_MIRROR", self.to(PYTHONS))
        return found


def find(cache: str) -> Tuple[Optional[Lan], str]:
    """The cache (`HOST:PORT`) where it answers, else why not; (None, "") where none is set."""
    if not cache:
        return None, ""
    try:
        told: Dict[str, Any] = json.loads(_asked(cache).decode())
        return Lan("http://" + cache, [str(one) for one in told["sites"]], [str(one) for one in told["below"]]), ""
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        return None, "the cache %s does not answer (%s)" % (cache, str(error) or type(error).__name__)


def _asked(cache: str) -> bytes:
    """What it says of itself. Raises OSError, http.client.HTTPException."""
    talk = http.client.HTTPConnection(cache, timeout=SECONDS)
    try:
        talk.connect()
        talk.sock.settimeout(BUSY)
        talk.request("GET", "/cache.json")
        answer = talk.getresponse()
        if answer.status != 200:
            raise OSError("it answers with status %d" % answer.status)
        return answer.read(1 << 20)
    finally:
        talk.close()


def attempt(cache: str, work: "Callable[[Optional[Lan]], T]", failures: Tuple[Any, ...]) -> T:
    """Do it through the cache; where that is away, or it does not work out, without it. One line says so."""
    lan, why = find(cache)
    if lan is not None:
        try:
            return work(lan)
        except failures as error:
            why = "not through the cache %s: %s" % (cache, str(error).strip()[:300])
    if why:
        say(why)
    return work(None)


def say(why: str) -> None:
    """A line for the job's log and for whoever follows."""
    with contextlib.suppress(OSError):
        sys.stderr.write("%s: straight from the internet\n" % why)
        sys.stderr.flush()


def near(env: Dict[str, str], host: str) -> Dict[str, str]:
    """Both spellings of who is asked without a proxy, with `host` added: where both are there, the small one alone counts."""
    told = ",".join(filter(None, [env.get("no_proxy") or env.get("NO_PROXY", ""), host]))
    return {"no_proxy": told, "NO_PROXY": told}


def plain(env: Dict[str, str]) -> Dict[str, str]:
    """An environment without a site's proxies: a cache is near."""
    return {key: value for key, value in env.items() if key.lower() not in ("http_proxy", "https_proxy", "all_proxy")}
