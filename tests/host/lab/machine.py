"""One nspawn machine: its cgroups, its process, its overlay. No ssh here.

Facts (measured): without a systemd on this machine `--keep-unit` puts every container at the same
cgroup, so each gets its own first; a dead nspawn stays a zombie for a while when PID 1 reaps late,
so a process counts as alive only while its command line can be read.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from . import mounts, netns
from .dressing import STANDIN
from .settings import LabError, Settings

_JOIN = 'for c in $CGROUPS; do mkdir -p "$c" && echo $$ >"$c/cgroup.procs"; done; exec "$@"'


class Machine:
    """The machine NAME, number NUMBER, of a lab."""

    def __init__(self, settings: Settings, name: str, number: int) -> None:
        """Nothing is made here."""
        self.settings, self.name, self.number = settings, name, number
        self.directory = settings.machines / name
        self.root, self.upper = self.directory / "root", self.directory / "upper"
        self.namespace = f"{settings.tag}-{name}"

    def mount(self, lower: list[Path]) -> None:
        """The tree: LOWER (top first) and the machine's own changes over it."""
        for path in (self.root, self.upper, self.directory / "work"):
            path.mkdir(parents=True, exist_ok=True)
        if not mounts.mounted(self.root):
            mounts.overlay(self.root, lower, self.upper, self.directory / "work")

    def boot(self) -> None:
        """Start PID 1; does not wait for it."""
        if self.process():
            return
        netns.create_host(self.settings, self.namespace, self.number)
        env = {**_clean(), "CGROUPS": " ".join(map(str, self.cgroups()))}
        command = ["sh", "-c", _JOIN, "sh", "systemd-nspawn", "-q", "-D", str(self.root)]
        command += ["-M", self.namespace, f"--hostname={self.name}", "--kill-signal=SIGRTMIN+3"]
        command += ["--register=no", "--keep-unit", "--resolv-conf=off", "--timezone=off"]
        command += ["--link-journal=no", f"--network-namespace-path=/run/netns/{self.namespace}"]
        with (self.directory / "console.log").open("ab") as log:
            child = subprocess.Popen(
                [*command, f"/{STANDIN}/init"],
                env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        (self.directory / "pid").write_text(str(child.pid))

    def process(self) -> int:
        """nspawn's process id; 0 when it does not run."""
        with suppress(OSError, ValueError):
            pid = int((self.directory / "pid").read_text())
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            return pid if runs(pid, str(self.root)) else 0
        return 0

    def leader(self) -> int:
        """The machine's PID 1 as seen from here; 0 when it does not run."""
        pid = self.process()
        with suppress(OSError, IndexError):
            return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        return 0

    def power_off(self, timeout: float = 60) -> None:
        """A clean power-off: PID 1 is asked, everything is stopped in order."""
        if pid := self.process():
            os.kill(pid, signal.SIGTERM)
            self._gone(timeout)

    def kill(self) -> None:
        """The plug is pulled."""
        if leader := self.leader():
            os.kill(leader, signal.SIGKILL)
        self._gone(15)

    def _gone(self, timeout: float) -> None:
        end = time.monotonic() + timeout
        while self.process() and time.monotonic() < end:
            time.sleep(0.03)
        if pid := self.process():
            os.kill(pid, signal.SIGKILL)
            time.sleep(0.5)
        if self.process():
            raise LabError(f"{self.name} does not end")

    def remove(self) -> None:
        """Leave nothing of it: processes, mounts, namespace, cgroups, files."""
        self.kill()
        mounts.unmount(self.root)
        netns.delete(self.namespace)
        for cgroup in self.cgroups():
            remove_cgroup(cgroup)
        shutil.rmtree(self.directory, ignore_errors=True)

    def cgroups(self) -> list[Path]:
        """Its own group in systemd's and the unified hierarchy (or the only one there is)."""
        top = Path("/sys/fs/cgroup")
        hybrid = [top / name for name in ("systemd", "unified") if (top / name).is_dir()]
        return [base / self.settings.tag / self.name for base in hybrid or [top]]


def runs(pid: int, word: str) -> bool:
    """Whether PID runs and is ours: has WORD on its command line (empty for an instant in exec)."""
    for _ in range(20):
        Path(f"/proc/{pid}/exe").readlink()
        if line := Path(f"/proc/{pid}/cmdline").read_bytes():
            return word.encode() in line.split(b"\0")
        time.sleep(0.01)
    return False


def remove_cgroup(top: Path) -> None:
    """Remove a cgroup and those below it; they empty a moment after their processes end."""
    for _ in range(40):
        for directory, _, _ in os.walk(top, topdown=False):
            with suppress(OSError):
                Path(directory).rmdir()
        if not top.exists():
            return
        time.sleep(0.05)


def _clean() -> dict[str, str]:
    """Nothing of our environment but the path; hosts see cgroup v2 only, as Ubuntu and WSL2 do."""
    return {"PATH": os.environ["PATH"], "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
