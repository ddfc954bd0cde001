"""Run uv on a terminal of its own and read its progress bars: bytes of each wheel as uv itself counts them."""

from __future__ import annotations

import os
import pty
import re
import select
import struct
import termios
import time
from fcntl import ioctl
from typing import Callable, Dict, List, Tuple

UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
SIZE = r"(\d+(?:\.\d+)?) ((?:[KMG]i)?B)\b"
BAR = re.compile(r"([A-Za-z0-9][\w.-]*)\s+-+\s+" + SIZE + "/" + SIZE)
COUNT = re.compile(r"\((\d+)/(\d+)\)")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Meter:
    """Sums uv's bars: bytes done and known so far, packages prepared."""

    def __init__(self) -> None:
        self.wheels: Dict[str, Tuple[int, int]] = {}
        self.packages = (0, 0)
        self.rest = ""
        self.started = time.time()

    def feed(self, text: str) -> None:
        """Take in a piece of terminal output; a line that is cut waits for its end."""
        text = self.rest + text
        cut = max(text.rfind("\r"), text.rfind("\n")) + 1
        text, self.rest = ESCAPES.sub("", text[:cut]), text[cut:][-65536:]
        for name, done, unit, total, total_unit in BAR.findall(text):
            self.wheels[name] = (int(float(done) * UNITS[unit]), int(float(total) * UNITS[total_unit]))
        for done, total in COUNT.findall(text):
            self.packages = (int(done), int(total))

    def values(self) -> Dict[str, float]:
        """`bytes, total, rate` (bytes a second since the start), `packages, packages_total`."""
        done = sum(d for d, _ in self.wheels.values())
        passed = max(0.001, time.time() - self.started)
        total = sum(t for _, t in self.wheels.values())
        return {
            "bytes": done,
            "total": total,
            "rate": done / passed,
            "packages": self.packages[0],
            "packages_total": self.packages[1],
        }


def run(argv: List[str], env: Dict[str, str], report: Callable[[Dict[str, float]], None]) -> Tuple[int, str]:
    """(exit status, last 4000 characters without escapes); `report` is called about twice a second."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(argv[0], argv, dict(env, TERM="xterm", COLUMNS="160"))
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 100, 160, 0, 0))
    meter, text, last = Meter(), "", 0.0
    while True:
        ready = select.select([terminal], [], [], 0.5)[0]
        if ready:
            try:
                data = os.read(terminal, 65536)
            except OSError:  # the other end is closed
                break
            if not data:
                break
            piece = data.decode("utf-8", "replace")
            meter.feed(piece)
            text = (text + piece)[-16000:]
        if time.time() - last > 0.5:
            report(meter.values())
            last = time.time()
    report(meter.values())
    status = os.waitpid(pid, 0)[1]
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128, ESCAPES.sub("", text)[-4000:]
