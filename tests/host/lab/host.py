"""One host of the lab, as tests use it."""

from __future__ import annotations

import json
import shlex
import stat
import subprocess
import tarfile
import time
from collections.abc import Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path

from . import mounts, netns
from .base import SSHD_LOG
from .dressing import dress
from .flavours import FLAVOURS, Flavour
from .gpus import GpuChoice
from .machine import Machine
from .settings import LabError, Settings
from .shell import run

_NOISE = ("var/log/journal", "var/log/wtmp", "var/log/lastlog", "var/log/btmp", SSHD_LOG[1:])
_PERSONAL = (
    "etc/hostname etc/machine-id var/lib/dbus etc/ssh/ssh_host_ed25519_key etc/hosts "
    "etc/ssh/ssh_host_ed25519_key.pub var/log/journal var/lib/systemd/random-seed var/log/wtmp "
    f"{SSHD_LOG[1:]}"
).split()


class Host:
    """A systemd machine (or one without) that answers ssh at `address`."""

    def __init__(self, settings: Settings, name: str, number: int, lower: list[Path]) -> None:
        """Made by Lab.host()."""
        self.settings, self.name, self.lower = settings, name, lower
        self.machine = Machine(settings, name, number)
        self.address = f"{settings.net}.{number}"

    # --- life

    def prepare(self, flavour: Flavour, gpu: GpuChoice, memory_mib: int | None, hosts: str, built: Path) -> None:
        """Mount the tree, make it this host's own and lay the flavour's marks."""
        self.machine.mount(self.lower)
        root = self.machine.root
        (root / "etc/hostname").write_text(f"{self.name}\n")
        (root / "etc/hosts").write_text(f"127.0.1.1 {self.name}\n{hosts}")
        key = root / "etc/ssh/ssh_host_ed25519_key"
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", key])
        dress(root, flavour, gpu, memory_mib, built)

    def start(self, timeout: float = 60) -> None:
        """Boot with the disk as it is, and wait until anyone may log in."""
        self.machine.mount(self.lower)
        self.machine.boot()
        end = time.monotonic() + timeout
        while not self._ready():
            if time.monotonic() > end or not self.machine.process():
                log = (self.machine.directory / "console.log").read_text(errors="replace")
                raise LabError(f"{self.name} does not come up\n{log[-3000:]}")
            time.sleep(0.03)

    def _ready(self) -> bool:
        leader = self.machine.leader()
        if not leader:
            return False
        with suppress(OSError), netns.connect(self.settings.tag, self.address, 22) as connection:
            connection.settimeout(2)
            return connection.recv(4) == b"SSH-" and not _no_login(leader)
        return False

    def stop(self) -> None:
        """A clean power-off; the disk is kept."""
        self.machine.power_off()

    def reboot(self) -> None:
        """A clean power-off, then a boot (for WSL: `wsl --shutdown` and the next start)."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """The plug is pulled; the disk is kept."""
        self.machine.kill()

    def destroy(self) -> None:
        """Nothing of the host remains."""
        self.machine.remove()

    def save_layer(self, name: str) -> None:
        """Stop, and keep what the host became for Lab.host(layer=NAME); then boot again."""
        self.stop()
        layer = self.settings.directory / "layers" / name
        layer.parent.mkdir(exist_ok=True)
        mounts.unmount(self.machine.root)
        run(["rm", "-rf", layer])
        run(["cp", "-a", "--reflink=auto", self.machine.upper, layer])
        for path in _PERSONAL:
            run(["rm", "-rf", layer / path])
        (layer / "etc/machine-id").write_text("")
        (layer / "var/lib/dbus").mkdir(parents=True, exist_ok=True)
        (layer / "var/lib/dbus/machine-id").symlink_to("/etc/machine-id")
        self.start()

    # --- use

    def ssh(
        self,
        command: str | Sequence[str],
        user: str = "root",
        check: bool = True,
        timeout: float | None = 600,
        text: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run COMMAND (words get quoted) as USER, TEXT on its stdin; LabError if CHECK fails."""
        line = command if isinstance(command, str) else shlex.join(command)
        return run([*self.ssh_words(user), line], check=check, timeout=timeout, text=text)

    def ssh_words(self, user: str) -> list[str]:
        """The ssh command line up to the remote command."""
        settings = self.settings
        return [
            *("nsenter", f"--net=/run/netns/{settings.tag}", "ssh", "-F", "none", "-i"),
            *(str(settings.key), "-o", f"UserKnownHostsFile={settings.known_hosts}"),
            *("-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"),
            *("-o", "LogLevel=ERROR", "-o", "KexAlgorithms=curve25519-sha256"),
            *("-o", "ConnectTimeout=20", f"{user}@{self.address}"),
        ]

    def send(self, archive: bytes, directory: str, user: str = "root") -> None:
        """Unpack a tar ARCHIVE in DIRECTORY."""
        where = shlex.quote(directory)
        command = [*self.ssh_words(user), f"mkdir -p {where} && tar -xf - -C {where}"]
        done = subprocess.run(command, check=False, input=archive, capture_output=True, timeout=600)
        if done.returncode:
            raise LabError(f"{directory}: {done.stderr.decode(errors='replace')}")

    def put(self, local: Path | str, remote: str, user: str = "root") -> None:
        """Copy a file or a directory's contents to REMOTE, modes kept."""
        local = Path(local)
        parent, name = (remote, ".") if local.is_dir() else remote.rstrip("/").rsplit("/", 1)
        memory = BytesIO()
        with tarfile.open(fileobj=memory, mode="w") as archive:
            archive.add(local.resolve(), arcname=name, filter=_anonymous)
        self.send(memory.getvalue(), parent or "/", user)

    def write(self, path: str, text: str, user: str = "root") -> None:
        """Write a text file; its directory is made."""
        where, parent = shlex.quote(path), shlex.quote(path.rsplit("/", 1)[0] or "/")
        self.ssh(f"mkdir -p {parent} && cat > {where}", user=user, text=text)

    def read(self, path: str) -> str:
        """The text of a file."""
        return self.ssh(["cat", path]).stdout

    def exists(self, path: str) -> bool:
        """Whether PATH is there (a dangling link counts)."""
        where = shlex.quote(path)
        return self.ssh(f"test -e {where} -o -L {where}", check=False).returncode == 0

    # --- measure

    def execs(self) -> int:
        """How many commands came over ssh so far (sshd logs one line each), ours included."""
        log = self.machine.upper / SSHD_LOG[1:]
        return log.read_bytes().count(b"Starting session") if log.exists() else 0

    def changed_files(self, since: float | None = None) -> list[str]:
        """Files changed or removed after SINCE (default: the last start), logs of logins aside."""
        if since is None:
            since = (self.machine.directory / "pid").stat().st_mtime
        upper = self.machine.upper
        found = (path for path in upper.rglob("*") if not path.is_dir() or path.is_symlink())
        names = (str(path.relative_to(upper)) for path in found if path.lstat().st_ctime > since)
        return sorted(f"/{name}" for name in names if not name.startswith(_NOISE))

    def removed(self, path: str) -> bool:
        """Whether a file of the base was removed (overlayfs keeps a whiteout for it)."""
        mark = self.machine.upper / path.lstrip("/")
        return mark.exists() and stat.S_ISCHR(mark.lstat().st_mode)


def load(settings: Settings, name: str) -> Host | None:
    """The host NAME as it was described on disk; None when there is none."""
    path = settings.machines / name / "host.json"
    if not path.exists():
        return None
    spec = json.loads(path.read_text())
    return Host(settings, name, int(spec["number"]), [Path(p) for p in spec["lower"]])


def describe(host: Host) -> None:
    """Write down what `load` needs."""
    host.machine.directory.mkdir(parents=True, exist_ok=True)
    spec = {"number": host.machine.number, "lower": [str(p) for p in host.lower]}
    (host.machine.directory / "host.json").write_text(json.dumps(spec))


def flavour_of(name: str) -> Flavour:
    """The flavour NAME; LabError names the known ones."""
    if name not in FLAVOURS:
        raise LabError(f"no flavour {name}; there are: {', '.join(FLAVOURS)}")
    return FLAVOURS[name]


def _no_login(leader: int) -> bool:
    """/run/nologin is there until systemd-user-sessions lets others than root in."""
    return Path(f"/proc/{leader}/root/run/nologin").exists()


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member
