"""The lab as a whole: start, hosts, rules, measurements, stop."""

from __future__ import annotations

import fcntl
import os
import shlex
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path

from . import base, mounts, netns, registry, standins
from .apps.hub_control import HubControl
from .certificates import Authority
from .dressing import compile_libraries
from .gateway.log import Log, Request
from .gpus import GpuChoice
from .host import Host, describe, flavour_of, load
from .machine import remove_cgroup, runs
from .rules import STANDINS, Rules
from .settings import REPOSITORY, LabError, Settings
from .shell import run

_INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
_IN_LAB = 'mount --bind "$0" /etc/hosts && exec "$@"'


class Lab(standins.Fixtures):
    """One running lab; see the package's docstring."""

    def __init__(self, settings: Settings) -> None:
        """Use Lab.start()."""
        self.settings = settings
        self.directory = settings.directory
        self.ssh_key, self.known_hosts = settings.key, settings.known_hosts
        self._rules = Rules(self.directory / "rules.json")
        self._log = Log(self.directory / "requests.jsonl")
        self.hub = HubControl(self.directory / "hub.json")
        self.registries = registry.discover()
        self.python_index = self.registries.python_index

    @classmethod
    def start(cls) -> Lab:
        """Base tree, stand-ins, network, gateway: whatever of it is not there yet."""
        settings = Settings.from_environment()
        settings.machines.mkdir(parents=True, exist_ok=True)
        with _locked(settings):
            mounts.roomy(settings.machines)
            lab = cls(settings)
            if not settings.key.exists():
                words = ["-q", "-t", "ed25519", "-C", "standin-lab", "-N", ""]
                run(["ssh-keygen", *words, "-f", settings.key])
            authority = Authority(settings.directory / "ca")
            lab.lower = list(base.build(settings, lab.registries, authority.certificate))
            compile_libraries(settings.directory / "build")
            standins.build(settings, lab.registries)
            lab._start_network()
        return lab

    lower: list[Path]

    def _start_network(self) -> None:
        """Bridge and gateway. Each systemd takes 6 inotify instances: 128 would do for 21 hosts."""
        if self._gateway() and not self._newer_code():
            return
        self._stop_gateway()
        was = self.directory / "inotify.was"
        if not was.exists():
            was.write_text(_INOTIFY.read_text())
        _INOTIFY.write_text("1024")
        netns.create_lab(self.settings)
        self._log.path.unlink(missing_ok=True)
        self.reset()
        command = [sys.executable, "-m", "tests.host.lab.gateway", str(self.directory)]
        with (self.directory / "gateway.log").open("ab") as log:
            subprocess.Popen(
                [*command, self.settings.tag, self.settings.gateway],
                cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        self._wait_for_gateway()

    def _wait_for_gateway(self) -> None:
        for _ in range(300):
            with suppress(OSError):
                netns.connect(self.settings.tag, self.settings.gateway, 443).close()
                return
            time.sleep(0.05)
        raise LabError(f"no gateway: {(self.directory / 'gateway.log').read_text()[-2000:]}")

    def _gateway(self) -> int:
        """The gateway's process id; 0 when it does not run."""
        with suppress(OSError, ValueError):
            pid = int((self.directory / "gateway.pid").read_text())
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            return pid if runs(pid, str(self.directory)) else 0
        return 0

    def _newer_code(self) -> bool:
        """Whether the gateway that runs was started from older files than ours."""
        started = (self.directory / "gateway.pid").stat().st_mtime
        here = Path(__file__).parent
        return any(path.stat().st_mtime > started for path in here.rglob("*.py"))

    def _stop_gateway(self) -> None:
        if pid := self._gateway():
            os.kill(pid, signal.SIGTERM)
        while self._gateway():
            time.sleep(0.02)

    def stop(self) -> None:
        """Undo everything but the caches under LAB_DIR: no process, mount, namespace or cgroup."""
        for name in self.host_names():
            self.destroy(name)
        self._stop_gateway()
        mounts.plain(self.settings.machines)
        netns.delete(self.settings.tag)
        for top in Path("/sys/fs/cgroup").glob(f"*/{self.settings.tag}"):
            remove_cgroup(top)
        was = self.directory / "inotify.was"
        if was.exists():
            _INOTIFY.write_text(was.read_text())
            was.unlink()

    # --- hosts

    def host_names(self) -> list[str]:
        """Hosts that exist, running or not."""
        return sorted(p.parent.name for p in self.settings.machines.glob("*/host.json"))

    def destroy(self, name: str) -> None:
        """Remove host NAME if there is one."""
        if host := load(self.settings, name):
            host.destroy()

    def host(
        self,
        name: str,
        flavour: str = "debian-12",
        gpu: GpuChoice = None,
        layer: str | None = None,
        memory_mib: int | None = None,
    ) -> Host:
        """A new host, up and answering ssh; an existing one of that name as it is.

        gpu: None no NVIDIA hardware; [Gpu(...), ...]; [] access blocked; "no-driver" hardware only.
        """
        with _locked(self.settings):
            host = load(self.settings, name)
            if host is None:
                host = self._new(name, layer)
                kind = flavour_of(flavour)
                built = self.directory / "build"
                host.prepare(kind, gpu, memory_mib, self._names(), built)
                describe(host)
            self._write_known_hosts()
        host.start()
        return host

    def _new(self, name: str, layer: str | None) -> Host:
        above = [self.directory / "layers" / layer] if layer else []
        if above and not above[0].is_dir():
            raise LabError(f"no layer {layer}")
        hosts = [load(self.settings, other) for other in self.host_names()]
        taken = {host.machine.number for host in hosts if host}
        number = next(n for n in range(11, 250) if n not in taken)
        host = Host(self.settings, name, number, [*above, *self.lower])
        host.machine.remove()  # what a killed run left half made
        return host

    def _names(self) -> str:
        """Lines of /etc/hosts: every outside name is the gateway."""
        names = " ".join(self._rules.all())
        return f"127.0.0.1 localhost\n{self.settings.gateway} {names}\n"

    def _write_known_hosts(self) -> None:
        lines = []
        for name in self.host_names():
            host = load(self.settings, name)
            public = self.settings.machines / name / "root/etc/ssh/ssh_host_ed25519_key.pub"
            if host and public.exists():
                lines.append(" ".join([host.address, *public.read_text().split()[:2]]))
        self.known_hosts.write_text("".join(f"{line}\n" for line in lines))

    def copy_project(self, host: Host, user: str, dest: str) -> None:
        """The working tree on HOST: tracked files and untracked ones that git does not ignore."""
        words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = run(words, cwd=REPOSITORY).stdout.split("\0")
        memory = BytesIO()
        with tarfile.open(fileobj=memory, mode="w") as archive:
            for name in sorted(set(filter(None, names))):
                if (REPOSITORY / name).exists():
                    archive.add(REPOSITORY / name, arcname=name, recursive=False)
        host.send(memory.getvalue(), dest, user)

    # --- the controller: this machine, inside the lab's network

    def command(self, args: Sequence[str | Path]) -> list[str]:
        """ARGS wrapped so that they run here but inside the lab's network, with its names."""
        controller = self.directory / "controller-hosts"
        controller.write_text(self._names())
        wrap = ["nsenter", f"--net=/run/netns/{self.settings.tag}", "unshare", "--mount"]
        return [*wrap, "sh", "-c", _IN_LAB, str(controller), *map(str, args)]

    def run(
        self,
        args: Sequence[str | Path],
        *,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float | None = 600,
        text: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as the controller; ENV is added to this process's."""
        every = {**os.environ, **(env or {})}
        return run(self.command(args), check=check, env=every, cwd=cwd, timeout=timeout, text=text)

    def inventory_data(self, host: Host, user: str = "ops") -> dict[str, str]:
        """What pyinfra's ssh connector needs to reach HOST."""
        return {
            "ssh_hostname": host.address,
            "ssh_user": user,
            "ssh_key": str(self.ssh_key),
            "ssh_known_hosts_file": str(self.known_hosts),
        }

    @property
    def ca_bundle(self) -> Path:
        """The CAs that hosts trust, for a controller's SSL_CERT_FILE."""
        return self.lower[0] / "etc/ssl/certs/ca-certificates.crt"

    # --- the outside world

    def reset(self) -> None:
        """The outside world as it is at first: a run killed in the midst of a test left its own rules, faults and losses."""
        self._rules.replace(dict.fromkeys(self.registries.names, "pass") | STANDINS)
        self.hub.reset()
        self.restore_nightly()

    def rule(self, name: str, rule: str) -> None:
        """Change what the gateway does with NAME (rules.py); hosts are told of a new name."""
        new = name not in self._rules.all()
        self._rules.set(name, rule)
        for host in self.host_names() if new else ():
            line = shlex.quote(f"{self.settings.gateway} {name}\n")
            leader = (load(self.settings, host) or _missing(host)).machine.leader()
            if leader:
                run(["nsenter", "-t", str(leader), "-m", "sh", "-c",
                     f"printf %s {line} >>/etc/hosts"])  # fmt: skip

    @contextmanager
    def rules(self, changed: Mapping[str, str] | None = None) -> Iterator[Lab]:
        """CHANGED rules, and those changed inside, are restored at the end; so are hub faults."""
        before = self._rules.all()
        try:
            for name, rule in (changed or {}).items():
                self.rule(name, rule)
            yield self
        finally:
            self._rules.replace(before)
            self.hub.reset()

    def requests(self, since: float = 0) -> list[Request]:
        """What hosts asked the outside world after SINCE (time.time())."""
        return self._log.read(since)


def _missing(name: str) -> Host:
    raise LabError(f"no host {name}")


@contextmanager
def _locked(settings: Settings) -> Iterator[None]:
    """One at a time: several processes may share a lab."""
    with (settings.directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
