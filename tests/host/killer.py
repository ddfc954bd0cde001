"""pyinfra's own command line, which kills itself (SIGKILL, its whole process group) in one step of a deploy.

    python -m tests.host.killer INDEX SECONDS pyinfra's arguments …

INDEX counts the steps from 0; SECONDS pass after its first command was sent, negative: before the step starts.
It ends with 0 where INDEX is past the last step; a line `killed in NAME` says where it ended otherwise.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

cli: Any = importlib.import_module("pyinfra_cli.main")  # patches the standard library for gevent, so it comes first

from pyinfra.api.host import Host  # noqa: E402

from tasks import steps  # noqa: E402
from tasks.workstation import Workstation  # noqa: E402


class Killer:
    """Counts steps and pulls the trigger."""

    def __init__(self, index: int, seconds: float) -> None:
        self.index, self.seconds = index, seconds
        self.at = -1
        self.names = ""
        self.armed = False

    def entered(self, ws: Workstation, name: str) -> None:
        """In place of the function that is told of each step."""
        self.over()
        self.at, self.names = self.at + 1, name
        if self.at == self.index and self.seconds < 0:
            self.kill()

    def over(self) -> None:
        """A step has ended: sooner than SECONDS, where it was to be killed."""
        if self.at == self.index:
            self.kill()

    def sent(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """In place of the method that sends a command."""

        def run(host: Host, *words: Any, **more: Any) -> Any:
            if self.at == self.index and not self.armed:
                self.armed = True
                threading.Timer(self.seconds, self.kill).start()
            return original(host, *words, **more)

        return run

    def kill(self) -> None:
        """Nothing after this line happens."""
        os.write(1, f"\nkilled in {self.names}\n".encode())
        os.killpg(0, signal.SIGKILL)


def run() -> None:
    """Patch and start."""
    index, seconds, *words = sys.argv[1:]
    killer = Killer(int(index), float(seconds))
    steps.entered = killer.entered
    Host.run_shell_command = killer.sent(Host.run_shell_command)  # type: ignore[method-assign]
    sys.argv = ["pyinfra", *words]
    try:
        cli.main()
    finally:
        killer.over()


if __name__ == "__main__":
    run()
