"""The time that a run has, and everything it started, ended in time."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field


class OutOfTime(Exception):
    """The run's limit was reached."""


@dataclass
class Deadline:
    """A moment on the monotonic clock, seconds."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """A deadline so many seconds from now."""
        return cls(time.monotonic() + seconds)

    def left(self, most: float = float("inf")) -> float:
        """Seconds left, at most `most`; raises OutOfTime where there are none."""
        if (found := self.at - time.monotonic()) <= 0:
            raise OutOfTime
        return min(found, most)

    def sooner(self, seconds: float) -> Deadline:
        """The earlier of this and so many seconds from now."""
        return Deadline(min(self.at, time.monotonic() + seconds))


@dataclass
class Groups:
    """The process groups that this run started; `hard_stop` ends them and the run at the limit, come what may."""

    started: set[int] = field(default_factory=set)
    ends: list[threading.Timer] = field(default_factory=list)

    def kill(self, group: int) -> None:
        """End one of ours."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        self.started.discard(group)

    def kill_all(self) -> None:
        """End all of ours."""
        for group in list(self.started):
            self.kill(group)

    def hard_stop(self, seconds: float) -> None:
        """After so many seconds end everything, this process too; results are on disk after each case."""

        def stop() -> None:
            self.kill_all()
            print(
                "serve.py: the limit was reached; what was measured is in the result file", file=sys.stderr, flush=True
            )
            os._exit(3)

        timer = threading.Timer(seconds, stop)
        timer.daemon = True
        timer.start()
        self.ends.append(timer)

    def close(self) -> None:
        """The run ended by itself: end what is left and forget the hard stop."""
        for timer in self.ends:
            timer.cancel()
        self.kill_all()
