"""The base tree that every host starts from: debootstrap once, then one layer of settings.

Facts: debootstrap costs about a minute, so its tree is kept under a hash of its recipe; the
settings layer costs about 2 s and is made anew when this file, a CA or the ssh key changes.
Neither uv, pip, venv nor a compiler is in it: the product has to bring what it needs.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from . import mounts
from .registry import Registries
from .settings import SUITE, Settings
from .shell import run

PACKAGES = (
    "systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,openssh-server,sudo,"
    "ca-certificates,python3,curl,iproute2,procps,gpg,gpg-agent,less,locales"
)
SSHD_LOG = "/var/log/standin-sshd.log"
_SSHD = """UseDNS no
MaxStartups 200
MaxSessions 200
PermitRootLogin prohibit-password
GSSAPIAuthentication no
LogLevel VERBOSE
"""
_MASKED = (
    "apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer "
    "e2scrub_reap.service getty@tty1.service console-getty.service getty-static.service "
    "getty.target systemd-timesyncd.service systemd-networkd-wait-online.service rescue-ssh.target"
)
_EXTRA_CAS = Path("/usr/local/share/ca-certificates")


def build(settings: Settings, registries: Registries, ca: Path) -> tuple[Path, Path]:
    """The lower directories of every host, top first: (settings layer, debootstrap tree)."""
    tree = settings.directory / f"tree-{_hash(PACKAGES, SUITE)}"
    if not tree.exists():
        _debootstrap(tree, registries.apt_base)
    certificates = [ca, *sorted(_EXTRA_CAS.glob("*.crt"))]
    recipe = [Path(__file__).read_text(), tree.name, *registries.apt_lines]
    key = Path(f"{settings.key}.pub").read_text()
    layer = settings.directory / f"base-{_hash(*recipe, key, *(c.read_text() for c in certificates))}"
    if not layer.exists():
        _settings_layer(layer, tree, registries.apt_lines, key, certificates)
    return layer, tree


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def _debootstrap(tree: Path, mirror: str) -> None:
    partial = tree.with_suffix(".part")
    shutil.rmtree(partial, ignore_errors=True)
    run(
        ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, partial, mirror],
        timeout=1200,
    )
    shutil.rmtree(partial / "var/cache/apt/archives", ignore_errors=True)
    partial.rename(tree)


def _settings_layer(layer: Path, tree: Path, apt_lines: tuple[str, ...], key: str, certificates: list[Path]) -> None:
    work = layer.with_suffix(".part")
    shutil.rmtree(work, ignore_errors=True)
    for name in ("upper", "work", "root"):
        (work / name).mkdir(parents=True)
    root = work / "root"
    mounts.overlay(root, [tree], work / "upper", work / "work")
    try:
        _identity(root)
        _services(root)
        _users(root, key)
        _trust(root, certificates)
        (root / "etc/apt/sources.list").write_text("\n".join(apt_lines) + "\n")
    finally:
        mounts.unmount(root)
    (work / "upper").rename(layer)
    shutil.rmtree(work, ignore_errors=True)


def _identity(root: Path) -> None:
    """Empty machine-id (absent means 'first boot'); dbus's linked, else all hosts share one."""
    (root / "etc/machine-id").write_text("")
    dbus = root / "var/lib/dbus/machine-id"
    dbus.unlink(missing_ok=True)
    dbus.symlink_to("/etc/machine-id")
    for old in (root / "etc/ssh").glob("ssh_host_*"):
        old.unlink()
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / "etc/resolv.conf").write_text("")


def _services(root: Path) -> None:
    """Sshd without limits that a parallel run meets; nothing that only slows a boot."""
    (root / "etc/ssh/sshd_config.d/standin.conf").write_text(_SSHD)
    (root / "etc/default/ssh").write_text(f'SSHD_OPTS="-E {SSHD_LOG}"\n')
    for unit in _MASKED.split():
        link = root / "etc/systemd/system" / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")


def _users(root: Path, key: str) -> None:
    """ops: sudo without a password, as a cloud image's user. nosudo: no right at all."""
    run(["chroot", root, "useradd", "-m", "-s", "/bin/bash", "-u", "1000", "ops"])
    run(["chroot", root, "useradd", "-m", "-s", "/bin/bash", "-u", "1001", "nosudo"])
    (root / "etc/sudoers.d/ops").write_text("ops ALL=(ALL) NOPASSWD:ALL\n")
    (root / "etc/sudoers.d/ops").chmod(0o440)
    for home, user in (("root", "root"), ("home/ops", "ops"), ("home/nosudo", "nosudo")):
        ssh = root / home / ".ssh"
        ssh.mkdir(mode=0o700, exist_ok=True)
        ssh.chmod(0o700)
        (ssh / "authorized_keys").write_text(key)
        run(["chroot", root, "chown", "-R", f"{user}:{user}", f"/{home}/.ssh"])


def _trust(root: Path, certificates: list[Path]) -> None:
    """Into the system's store only: what else keeps its own CA list has to cope."""
    for certificate in certificates:
        shutil.copy(certificate, root / "usr/local/share/ca-certificates" / f"{certificate.stem}.crt")
    run(["chroot", root, "update-ca-certificates"])
