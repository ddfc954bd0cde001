"""The endpoint's process: nginx, and beside it a look each two seconds at this machine's own server, whose door is shut while it
does not answer. nginx finds that out by itself: it is not loaded again, which would break connections that clients keep.
A gateway looks at its doors too, to say which are silent.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, List, Optional

from . import addresses, common, drain, health, identity, listening

EVERY = 2.0  # seconds between looks
DOORS = 8  # seconds that a start waits for doors that are being set up at the same time
NGINX = "/usr/sbin/nginx"
BUSY = 3  # looks without an answer
BIND = 10.0  # seconds until nginx has its ports; it tries for 2.5
OTHER = "another programme has port %s (ss -ltnp names it)"
TAKEN = "nginx ended as soon as it was started, as where another programme has its port (ss -ltnp names it)"


class Endpoint:
    """One run of the process."""

    def __init__(self, root: str) -> None:
        self.root, self.folder = root, root + "/gateway"
        self.again = self.ended = self.anew = False
        self.code = common.digest(root + "/lib/helper.pyz")  # what this process runs
        self.conf = self.shown = ""  # what nginx was told, and the certificates that it has
        self.doors: List[Dict[str, Any]] = []
        self.at: Dict[str, str] = {}  # where they are
        self.missed = 0  # looks in a row at which our server said nothing
        self.told: Dict[str, Any] = {}
        self.nginx: Optional[subprocess.Popen[bytes]] = None

    def run(self) -> int:
        """Until told to end, or nginx has ended; its exit code."""
        signal.signal(signal.SIGHUP, lambda *_: setattr(self, "again", True))
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "ended", True))
        os.makedirs(self.folder + "/state", mode=0o700, exist_ok=True)
        identity.refresh(self.root)
        self._read()
        self._own()
        if words := self._refused():
            self._said(words)
            sys.exit("nginx does not take its configuration: %s. Run deploy/gateway.py again." % words)
        self.nginx = subprocess.Popen([NGINX, "-c", self.folder + "/nginx.conf"])
        self._said("" if self._bound() else TAKEN)
        while self.nginx.poll() is None and not self.ended and not self.anew:
            self._once()
            self._pause()
        return self._close()

    def _bound(self) -> bool:
        """Whether nginx has its ports: it writes who it is once it has them."""
        assert self.nginx is not None
        end = time.monotonic() + BIND
        while self.nginx.poll() is None and time.monotonic() < end:
            if common.text(self.folder + "/state/nginx.pid").strip() == str(self.nginx.pid):
                return True
            time.sleep(0.05)
        return False

    def _once(self) -> None:
        drain.orphaned(self.root)
        if self.again or self._renewed():
            self.again = False
            self._read()
            self._reload()
        self._own()
        self._look()

    def _renewed(self) -> bool:
        """Whether a certificate was renewed where it lies; not while the files are being written by a run."""
        same = common.text(self.folder + "/nginx.conf") == self.conf
        return same and bool(_probe().shown(self.folder) != self.shown)

    def _pause(self) -> None:
        end = time.monotonic() + EVERY
        while time.monotonic() < end and not self.again and not self.ended:
            time.sleep(0.1)

    def _close(self) -> int:
        """Answers that are under way are finished, for 20 s at most."""
        assert self.nginx is not None
        if self.nginx.poll() is None:
            self.nginx.send_signal(signal.SIGQUIT)
            try:
                self.nginx.wait(20)
            except subprocess.TimeoutExpired:
                self.nginx.kill()
        return 0 if self.ended else self.nginx.wait() or 1

    def _read(self) -> None:
        self.conf, self.shown = common.text(self.folder + "/nginx.conf"), _probe().shown(self.folder)
        self.doors = common.load(self.folder + "/doors.json") or []
        self._moved()

    def _moved(self) -> bool:
        """Whether a door is elsewhere than nginx was told; where a name is not told, it stays where it was."""
        kept, told = self.folder + "/state/addresses.json", self.folder + "/state/upstream.conf"
        self.at = addresses.find(self.doors, self.at or common.load(kept) or {})
        text = addresses.upstream(self.doors, self.at)
        if text == common.text(told):
            return False
        common.write(kept, json.dumps(self.at), 0o600)
        common.write(told, text, 0o600)
        return True

    def _own(self) -> None:
        """Shut the door of a server that does not answer; one that says nothing for once may only be busy."""
        if not os.path.exists(self.folder + "/gateways.pem"):
            return
        answer = health.own(common.load(self.root + "/service/plan.json") or {})
        self.missed = 0 if answer else self.missed + 1
        mark = self.folder + "/state/unwell"
        if answer and os.path.exists(mark):
            os.unlink(mark)
            common.log("the server answers: its door is open")
        elif (answer is False or self.missed >= BUSY) and not os.path.exists(mark):
            common.write(mark, "")
            common.log("the server does not answer: its door is shut")

    def _look(self) -> None:
        """Say which doors are silent, where that changes."""
        if not self.doors:
            return
        if self._moved():
            self._reload()
        with ThreadPoolExecutor(min(32, len(self.doors))) as pool:
            answers = list(pool.map(lambda door: health.ask(self.folder, door, self.at[door["name"]]), self.doors))
        silent = [door["name"] for door, answer in zip(self.doors, answers) if not answer]
        if silent != self.told.get("silent"):
            common.log("silent: %s" % (", ".join(silent) or "none"))
            self._said(self.told["refused"], self.told["digest"], silent)

    def _refused(self) -> str:
        done = subprocess.run([NGINX, "-t", "-q", "-c", self.folder + "/nginx.conf"], stderr=subprocess.PIPE)
        words = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if "[emerg]" in line]
        return (words or ["nginx -t ended with %d" % done.returncode])[-1] if done.returncode else ""

    def _reload(self) -> None:
        words = self._refused()
        if not words and self.nginx is not None:
            self.nginx.send_signal(signal.SIGHUP)
            port = listening.lacking(common.text(self.folder + "/nginx.conf"), self.nginx.pid)
            self.anew = port == "own"
            words = OTHER % port if port and not self.anew else ""
        if words:
            common.log("nginx goes on as it was: " + words)
        if not self.anew:
            self._said(words)

    def _said(self, words: str, current: Optional[str] = None, silent: Optional[List[str]] = None) -> None:
        """What this process runs and who is silent (None: not looked yet), for those who look."""
        current = ("" if words else digest(self.folder)) if current is None else current
        silent = [] if not self.doors else silent
        self.told = {"pid": os.getpid(), "code": self.code, "digest": current, "refused": words, "silent": silent}
        common.write(self.folder + "/state/running.json", json.dumps(self.told), 0o600)


def digest(folder: str) -> str:
    """What tells one state of the files from another."""
    return str(_probe().digest(folder))


def _probe() -> Any:
    return common.probe("gateway")


def run(root: str) -> None:
    """The unit's main process."""
    sys.exit(Endpoint(root).run())


def wait(root: str, seconds: str) -> None:
    """Until the process runs the files that lie there now. Raises common.Failure with nginx's own words."""
    folder, since = root + "/gateway", time.time()
    told: Dict[str, Any] = {}
    while time.time() - since < float(seconds):
        told = common.load(folder + "/state/running.json") or {}
        if told.get("digest") == digest(folder) and os.path.exists("/proc/%s" % told.get("pid")):
            if told["silent"] == [] or time.time() - since > DOORS:
                return
        time.sleep(0.2)
    why = told.get("refused") or "it does not run; journalctl --user -u vllm-workstation-gateway shows why"
    raise common.Failure("the endpoint is not up: %s. Mend that and run this again." % why)
