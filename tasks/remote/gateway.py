"""The endpoint's process: nginx, and beside it a look at every door each two seconds; who does not answer gets no requests."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, List, Optional, Tuple

from . import common, health

EVERY = 2.0  # seconds between looks
DOORS = 8  # seconds that a start waits for doors that are being set up at the same time
NGINX = "/usr/sbin/nginx"
State = Tuple[bool, ...]


class Endpoint:
    """One run of the process."""

    def __init__(self, root: str) -> None:
        self.folder = root + "/gateway"
        self.again = self.ended = False
        self.doors: List[Dict[str, Any]] = []
        self.well: Optional[State] = None  # which doors answer
        self.patience: Dict[str, int] = {}
        self.told: Dict[str, Any] = {}
        self.nginx: Optional[subprocess.Popen[bytes]] = None

    def run(self) -> int:
        """Until told to end, or nginx has ended; its exit code."""
        signal.signal(signal.SIGHUP, lambda *_: setattr(self, "again", True))
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "ended", True))
        os.makedirs(self.folder + "/state", mode=0o700, exist_ok=True)
        self._read()
        self._look()
        if words := self._refused():
            sys.exit("nginx does not take its configuration: %s. Run deploy/gateway.py again." % words)
        self.nginx = subprocess.Popen([NGINX, "-c", self.folder + "/nginx.conf"])
        self._said("")
        while self.nginx.poll() is None and not self.ended:
            self._pause()
            self._once()
        return self._close()

    def _once(self) -> None:
        if self.again:
            self.again = False
            self._read()
            self._look()
            self._reload(always=True)
        elif self._look():
            self._reload()

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
        self.doors = common.load(self.folder + "/doors.json") or []
        self.well = None

    def _look(self) -> bool:
        """Ask all doors; whether another set answers than before."""
        if not self.doors:
            return self._known(())
        with ThreadPoolExecutor(min(32, len(self.doors))) as pool:
            answers = list(pool.map(lambda door: health.ask(self.folder, door), self.doors))
        return self._known(tuple(self._counts(door, answer) for door, answer in zip(self.doors, answers)))

    def _counts(self, door: Dict[str, Any], answer: Optional[bool]) -> bool:
        """One that says nothing for once may only be busy; one that refuses is gone."""
        missed = self.patience.get(door["name"], 0) + 1 if answer is None else 0
        self.patience[door["name"]] = missed
        was = bool(self.well) and self.well is not None and self.well[self.doors.index(door)]
        return was and missed < 2 if answer is None else answer

    def _known(self, well: State) -> bool:
        if well == self.well:
            return False
        for door, now, was in zip(self.doors, well, self.well or (None,) * len(well)):
            if now != was:
                common.log("%s %s" % (door["name"], "answers" if now else "does not answer: no requests go there"))
        self.well = well
        common.write(self.folder + "/state/upstream.conf", upstream(self.doors, well), 0o600)
        if self.told:
            self._said(self.told["refused"], self.told["digest"])
        return True

    def _refused(self) -> str:
        done = subprocess.run([NGINX, "-t", "-q", "-c", self.folder + "/nginx.conf"], stderr=subprocess.PIPE)
        words = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if "[emerg]" in line]
        return (words or ["nginx -t ended with %d" % done.returncode])[-1] if done.returncode else ""

    def _reload(self, always: bool = False) -> None:
        words = self._refused()
        if not words and self.nginx is not None:
            self.nginx.send_signal(signal.SIGHUP)
        if words:
            common.log("nginx goes on as it was: " + words)
        if words or always:
            self._said(words)

    def _said(self, words: str, current: Optional[str] = None) -> None:
        """What this process runs and who answers, for those who look."""
        current = ("" if words else digest(self.folder)) if current is None else current
        silent = [door["name"] for door, answers in zip(self.doors, self.well or ()) if not answers]
        self.told = {"pid": os.getpid(), "digest": current, "refused": words, "silent": silent}
        common.write(self.folder + "/state/running.json", json.dumps(self.told), 0o600)


PARTS = (
    "clients.conf",
    "doors.json",
    "doors.pem",
    "gateways.pem",
    "identity.crt",
    "nginx.conf",
    "server-key.conf",
    "server.crt",
)


def digest(folder: str) -> str:
    """What tells one state of the files from another (the same as facts/probe/gateway.py's)."""
    told = "".join(name + common.digest("%s/%s" % (folder, name)) for name in PARTS)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def upstream(doors: List[Dict[str, Any]], well: State) -> str:
    """nginx's list of workstations; those that do not answer are marked so that their place is kept."""
    lines = []
    for door, answers in zip(doors, well):
        address = "[%s]" % door["address"] if ":" in door["address"] else door["address"]
        lines.append(
            "  server %s:%d max_fails=2 fail_timeout=2s%s;\n" % (address, door["port"], "" if answers else " down")
        )
    text = "".join(lines) or "  server 127.0.0.1:9 down;\n"
    return "upstream workstations {\n  least_conn;\n  zone workstations 256k;\n%s  keepalive 64;\n}\n" % text


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
            if not told["silent"] or time.time() - since > DOORS:
                return
        time.sleep(0.2)
    why = told.get("refused") or "it does not run; journalctl --user -u vllm-workstation-gateway shows why"
    raise common.Failure("the endpoint is not up: %s. Mend that and run this again." % why)
