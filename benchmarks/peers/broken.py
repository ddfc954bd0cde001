"""Things to break on a converged machine, one of each kind that is kept, and what of the state is not so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import state
from benchmarks.peers.state import HOOK, ROOT, WSL, Item
from plan import exports, service
from tests.host.lab import Host

BUS = "XDG_RUNTIME_DIR=/run/user/1000"
SERVICE = f"{BUS} systemctl --user is-active {service.UNIT}; {BUS} systemctl --user is-enabled {service.UNIT}"
PACKAGES = f"dpkg-query -W -f '${{Status}}\\n' {' '.join(state.PACKAGES)} | grep -cx 'install ok installed'"


@dataclass(frozen=True)
class Break:
    """A command as root that makes an item wrong."""

    command: str
    under: int = 0  # items that are wrong as long as this one is
    ours: bool = True  # whether full.py keeps it too


BREAKS = (
    Break(f"chmod 644 {ROOT}/service/api-key"),
    Break(f"echo A=B >>{ROOT}/service/environment"),
    Break(f"echo A=B >>{exports.PROFILE}"),
    Break(f"sed -i /vllm-workstation/d {HOOK}"),
    Break(f"sed -i s/^systemd=true/systemd=false/ {WSL}"),
    Break(f"runuser -u ops -- ln -sfn releases {ROOT}/current", under=1),  # the lock
    Break(f"chmod 711 {ROOT}/releases", ours=False),
    Break("dpkg --remove --force-depends build-essential >/dev/null"),
    Break(f"runuser -u ops -- env {BUS} systemctl --user disable --now {service.UNIT} 2>/dev/null"),
    Break("rm /var/lib/systemd/linger/ops"),
)


def breaks(ours: bool) -> list[Break]:
    """What is broken before a tool is tried: for ours, only what full.py keeps."""
    return [one for one in BREAKS if one.ours or not ours]


def all_wrong(host: Host, ours: bool) -> list[Break]:
    """Break them all."""
    chosen = breaks(ours)
    host.ssh("set -e\n" + "\n".join(one.command for one in chosen))
    return chosen


def wrong(host: Host, wanted: list[Item], folder: Path) -> list[str]:
    """What of the state does not hold, read from the machine without any of the tools."""
    folder.mkdir(exist_ok=True)
    seen = {_name(item): item for item in state.items(host, folder)}
    found = [name for name, item in ((_name(item), item) for item in wanted) if not _same(item, seen.get(name))]
    if host.ssh(SERVICE, user="ops", check=False).stdout.split() != ["active", "enabled"]:
        found.append("service")
    if not host.exists("/var/lib/systemd/linger/ops"):
        found.append("linger")
    if host.ssh(PACKAGES, check=False).stdout.strip() != str(len(state.PACKAGES)):
        found.append("packages")
    return found


def _name(item: Item) -> str:
    return f"{item['kind']} {item.get('path', '')}".strip()


def _same(item: Item, seen: Item | None) -> bool:
    if seen is None or {**item, "source": ""} != {**seen, "source": ""}:
        return False
    return item["kind"] != "file" or Path(item["source"]).read_bytes() == Path(seen["source"]).read_bytes()
