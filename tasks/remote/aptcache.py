"""As root: let apt fetch through the cache for a while, by methods of ours that apt is told of in APT_CONFIG; /etc stays as it is.

A method translates what apt asks for and tells, so lists keep their names, and signatures and digests are checked by apt as ever.
What the cache does not deliver is fetched straight.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from typing import Any, Dict, List, Optional

from . import lan  # packed beside this file by tasks/rooted.py

METHODS = "/usr/lib/apt/methods"
SHIM = "#!/usr/bin/python3 -I\nimport sys\nexec(compile(open(%r).read(), %r, 'exec'))\n"
# The loader of our modules, as one file that only root can write to.
LOADER = "import sys,types\np=types.ModuleType('act');p.__path__=[];sys.modules['act']=p\n"


def main(argv: List[str]) -> None:
    """`FOLDER HOST:PORT [old]`: make FOLDER/apt.conf. Ends with status 1 where the cache is away; says so.

    `old`: the lab has no internet, and lists of packages are as old as its wheelhouse. The cache itself cannot say so.
    """
    (folder, cache), old = argv[:2], argv[2:]
    found, why = lan.find(cache)
    if found is None:
        lan.say(why)
        sys.exit(1)
    sources: Dict[str, str] = getattr(sys.modules["__main__"], "S")  # noqa: B009  # what the loader was given
    os.makedirs(folder + "/methods", mode=0o755, exist_ok=True)
    if os.lstat(folder).st_uid != 0 or os.path.islink(folder):
        sys.exit("%s is not root's. Remove it and run this again." % folder)
    _write(folder + "/code.py", _code(sources), 0o644)
    _write(
        folder + "/cache.json", json.dumps([found.base, sorted(found.sites), [end[1:] for end in found.below]]), 0o644
    )
    for name in os.listdir(METHODS):
        path = "%s/methods/%s" % (folder, name)
        if name in ("http", "https"):
            _write(path, SHIM % (folder + "/code.py", folder + "/code.py"), 0o755)
        elif not os.path.lexists(path):
            os.symlink("%s/%s" % (METHODS, name), path)
    any_age = 'Acquire::Check-Valid-Until "false";\n' if old else ""
    _write(folder + "/apt.conf", 'Dir::Bin::Methods "%s/methods";\n%s' % (folder, any_age), 0o644)


def _code(sources: Dict[str, str]) -> str:
    parts = [LOADER]
    for name in ("act.lan", "act.aptcache"):
        parts.append("m=types.ModuleType(%r);m.__package__='act';sys.modules[%r]=m\n" % (name, name))
        parts.append("setattr(p,%r,m);exec(compile(%r,%r,'exec'),m.__dict__)\n" % (name[4:], sources[name], name))
    return "".join(parts) + "sys.modules['act.aptcache'].method()\n"


def _write(path: str, text: str, mode: int) -> None:
    temporary = path + ".new"
    with open(temporary, "w") as file:
        file.write(text)
    os.chmod(temporary, mode)
    os.replace(temporary, path)


class Method:
    """Between apt and two methods of its own: one asks the cache, one asks straight."""

    def __init__(self, scheme: str, cache: "lan.Lan", out: Any) -> None:
        self.lan, self.out, self.lock = cache, out, threading.Lock()
        self.gone = False  # whether the method that asks the cache has ended
        self.asked: Dict[str, List[str]] = {}  # what the cache was asked for, as apt asked
        self.direct = self._start("%s/%s" % (METHODS, scheme), dict(os.environ))
        self.cached = self._start(METHODS + "/http", lan.plain(dict(os.environ)))
        self.threads = [
            threading.Thread(target=self._listen, args=(child, child is self.cached))
            for child in (self.direct, self.cached)
        ]

    @staticmethod
    def _start(path: str, env: Dict[str, str]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)

    def run(self, source: Any) -> int:
        """Until apt has no more to ask, or ends us."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ended)
        for thread in self.threads:
            thread.start()
        for message in messages(source):
            self.ask(message)
        for child, thread in (
            (self.cached, self.threads[1]),
            (self.direct, self.threads[0]),
        ):  # the first may leave work to the other
            with contextlib.suppress(OSError):
                child.stdin.close() if child.stdin else None
            thread.join()
        return self.direct.wait() or 0

    def _ended(self, *_: Any) -> None:
        for child in (self.cached, self.direct):
            with contextlib.suppress(OSError):
                child.terminate()
        os._exit(0)

    def ask(self, message: List[str]) -> None:
        """One message of apt's."""
        if message[0].startswith("600"):
            url = field(message, "URI")
            there = self.lan.to(url)
            with self.lock:
                there = url if self.gone else there
                if there != url:
                    self.asked[there] = message
            if there != url:
                send(self.cached, ["URI: " + there if line.startswith("URI:") else line for line in message])
                return
            send(self.direct, message)
            return
        send(self.direct, message)
        send(
            self.cached,
            [line for line in message if not re.match(r"(?i)config-item: acquire::https?::(.*::)?proxy", line)],
        )

    def _listen(self, child: "subprocess.Popen[bytes]", cached: bool) -> None:
        for message in messages(child.stdout):
            if cached:
                again = self._refused(message)
                if message[0].startswith("100") or again:
                    if again:
                        send(self.direct, again)
                    continue
            self.tell([self.lan.back(line) for line in message] if cached else message)
        if cached:
            with self.lock:
                self.gone, left, self.asked = True, list(self.asked.values()), {}
            for one in left:  # it has ended in the midst of it
                send(self.direct, one)

    def _refused(self, message: List[str]) -> Optional[List[str]]:
        """What is to be asked straight, where the cache says that it has failed."""
        if message[0][:3] in ("201", "400", "103"):
            with self.lock:
                asked = self.asked.pop(field(message, "URI"), None)
            return asked if message[0].startswith("400") else None
        return None

    def tell(self, message: List[str]) -> None:
        """One message to apt."""
        with self.lock:
            self.out.write(("\n".join(message) + "\n\n").encode())
            self.out.flush()


def messages(source: Any) -> Any:
    """Messages of apt's protocol: lines up to an empty one."""
    found: List[str] = []
    for line in iter(source.readline, b""):
        text = line.decode("utf-8", "replace").rstrip("\n")
        if text:
            found.append(text)
        elif found:
            yield found
            found = []


def field(message: List[str], name: str) -> str:
    """A field's value; empty where there is none."""
    return next((line.partition(":")[2].strip() for line in message if line.startswith(name + ":")), "")


def send(child: "subprocess.Popen[bytes]", message: List[str]) -> None:
    """One message to a method; one that has ended hears nothing."""
    try:
        assert child.stdin is not None
        child.stdin.write(("\n".join(message) + "\n\n").encode())
        child.stdin.flush()
    except (OSError, ValueError):
        return


def method() -> None:
    """The command line of apt's method `http` or `https`: ourselves in its place."""
    with open(os.path.dirname(os.path.dirname(os.path.abspath(sys.argv[0]))) + "/cache.json") as file:
        base, sites, below = json.load(file)
    sys.exit(
        Method(os.path.basename(sys.argv[0]), lan.Lan(base, sites, below), sys.stdout.buffer).run(sys.stdin.buffer)
    )
