"""Machines as the probe would report them, by a few words each."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from plan import exports, plan, service, toolkit
from plan.machine import File, Machine, Package, Unit, Venv, Weights, typed
from plan.plan import Plan
from plan.settings import Settings

HOME = "/home/ops"
ROOT = f"{HOME}/.local/share/vllm-workstation"
LOCK = "0123456789abcdef"
PACKAGES = [
    "build-essential",
    "ca-certificates",
    "dbus-user-session",
    "libpam-systemd",
    "libnuma1",
    "python3.12-venv",
    "python3.12-dev",
]


def card(name: str = "NVIDIA GeForce RTX 5090", total_mib: int | None = 32607, free_mib: int | None = None, capability: str | None = "12.0",
         driver: str | None = "580.95.05", index: int = 0) -> dict[str, Any]:  # fmt: skip
    """One GPU; free where not said: what an idle desktop leaves."""
    free = free_mib if free_mib is not None or total_mib is None else total_mib - 400
    return {
        "index": index,
        "name": name,
        "memory_total_mib": total_mib,
        "memory_free_mib": free,
        "driver": driver,
        "compute_capability": capability,
    }


RTX_5090 = card()
RTX_4090 = card("NVIDIA GeForce RTX 4090", 24564, capability="8.9")
RTX_3090 = card("NVIDIA GeForce RTX 3090", 24576, capability="8.6")
RTX_5060TI_16 = card("NVIDIA GeForce RTX 5060 Ti", 16311, capability="12.0")
RTX_4070_12 = card("NVIDIA GeForce RTX 4070", 12282, capability="8.9")
RTX_4060_8 = card("NVIDIA GeForce RTX 4060", 8188, capability="8.9")
RTX_2080TI = card("NVIDIA GeForce RTX 2080 Ti", 11264, capability="7.5")
H200 = card("NVIDIA H200", 143771, capability="9.0")


def machine(*cards: dict[str, Any], wsl: int = 0, os: tuple[str, str] = ("ubuntu", "24.04"), ram_gib: float = 64, disk_gib: float | None = 500,
            pythons: tuple[str, ...] = ("3.12",), systemd: bool = True) -> Machine:  # fmt: skip
    """A machine that could be set up; `changed` makes the others."""
    seen: dict[str, Any] = {
        "system": {
            "os": {"id": os[0], "version_id": os[1], "name": f"{os[0]} {os[1]}"}, "kernel": "6.8.0", "arch": "x86_64",
            "user": {"name": "ops", "uid": 1000, "gid": 1000, "home": HOME, "shell": "/bin/bash"}, "sudo": {"present": True, "passwordless": True},
            "systemd": systemd, "cpu_flags": ["avx", "avx2", "fma"], "cpus": 16, "memory": {"total_mib": int(ram_gib * 1024)},
            "disk": {"free_bytes": None if disk_gib is None else int(disk_gib * (1 << 30))}, "python": pythons[0],
            "pythons": {version: {"headers": True, "venv": True} for version in pythons}, "gcc": "/usr/bin/gcc", "ca_bundle": True,
        },
        "wsl": {"version": wsl, "dxg": wsl == 2, "libcuda": wsl == 2 and bool(cards), "conf": None},
        "gpu": {"smi_path": "/usr/bin/nvidia-smi" if cards else None, "devices": list(cards), "driver": cards[0]["driver"] if cards else None},
        "packages": {"dpkg": True, "installed": {name: {"version": "1", "state": "installed"} for name in PACKAGES}},
        "releases": {"root": ROOT}, "service": {}, "errors": {},
    }  # fmt: skip
    return typed(seen)


def changed(before: Machine, subject: str, **fields: Any) -> Machine:
    """The machine with fields of one subject as given, checked like the probe's own answer."""
    seen = before.model_dump()
    seen[subject] = {**seen[subject], **fields} if subject != "weights" else fields
    return typed(seen)


def resolved(before: Machine, settings: Settings | None = None, release: str | None = None) -> Machine:
    """The machine after the resolver chose: the first candidate, or the one of that name."""
    first = plan.make(before, settings or Settings())
    assert not first.refusals, first.refusals
    picked = next(c for c in first.candidates if release in (None, c.release.name))
    record = {
        "key": first.key,
        "release": picked.release.name,
        "lock": LOCK,
        "python": picked.python,
        "line": f"chose {picked.release.name}",
    }
    return changed(before, "releases", choice=record, locks={LOCK: LOCK})


def planned(before: Machine, settings: Settings | None = None, release: str | None = None) -> Plan:
    """The whole plan, start included."""
    return plan.make(resolved(before, settings, release), settings or Settings())


def finished(before: Machine, settings: Settings | None = None) -> Machine:
    """The machine after a run that went well: every file, package, weight and process as its plan says."""
    machine, wanted = resolved(before, settings), planned(before, settings)
    assert wanted.serve is not None and wanted.model is not None
    packages = {name: Package(version="1", state="installed") for name in wanted.packages}
    toolkits: dict[str, Any] = {}
    if wanted.toolkit:
        version = wanted.toolkit.versions[0]
        packages[f"cuda-toolkit-{version.replace('.', '-')}"] = Package(version="1", state="installed")
        toolkits = {version: {"path": f"/usr/local/cuda-{version}", "nvcc": f"{version}.93"}}
    texts = {text.path: File(kind="file", mode=text.mode, uid=1000, sha256=text.sha256) for text in wanted.files}
    mark = {"revision": wanted.model.revision, "files": {"config.json": {"size": 2, "mtime_ns": 5}}}
    weights = Weights.model_validate({"files": {"config.json": {"size": 2, "mtime_ns": 5}}, "verified": mark})
    start = json.loads(next(text.content for text in wanted.files if text.path.endswith("plan.json")))
    built = {"vllm": "0.32.0", "torch": "2.13.0"} | (
        {"vllm-workstation-plugin": wanted.plugin} if wanted.plugin else {}
    )
    done = {LOCK: Venv(python_works=True, complete={"distributions": built}, lock=LOCK, distributions=built)}
    told = {"current": LOCK, "current_kind": "link", "start": start, "releases": done, "locks": {LOCK: LOCK}}
    releases = machine.releases.model_copy(update=told)
    started = service.started(settings or Settings(), wanted.serve, wanted.files)
    unit = Unit(load="loaded", active="active", enabled="enabled", pid=7, spec=wanted.serve.spec, started=started)
    texts |= _outside(wanted, toolkits)
    seen = machine.model_dump() | {
        "releases": releases.model_dump(),
        "files": texts,
        "weights": {wanted.model.directory: weights},
    }
    seen["packages"]["installed"] |= packages
    seen["toolkit"] |= {"installed": toolkits, "current": next(iter(toolkits), None)}
    seen["exports"]["hooks"] = 1
    if wanted.toolkit:
        line = wanted.toolkit.source_line.split()
        source = {
            "file": wanted.toolkit.source_file,
            "line": 2,
            "enabled": True,
            "uri": line[2],
            "suite": "/",
            "signed_by": wanted.toolkit.keyring,
        }
        seen["apt"] = {
            "cuda_sources": [source],
            "keys": {wanted.toolkit.keyring: [wanted.toolkit.fingerprint]},
            "cuda_lists": True,
        }
    supervised = (
        {"pid": 5, "spec": wanted.serve.spec, "started": started} if wanted.supervisor == "supervisord" else None
    )
    seen["service"] = {
        "unit": None if supervised else unit,
        "supervised": supervised,
        "health": 200,
        "linger": True,
        "key_present": True,
        "answered": json.dumps({"spec": wanted.serve.spec}),
    }
    return typed({key: _plain(value) for key, value in seen.items()})


def _outside(wanted: Plan, toolkits: dict[str, Any]) -> dict[str, File]:
    """Files that are no text of the service: the key, and root's."""
    found = {f"{ROOT}/service/api-key": File(kind="file", mode="600", uid=1000, sha256="k")}
    if wanted.toolkit:
        digest = hashlib.sha256(exports.content(next(iter(toolkits))).encode()).hexdigest()
        found[exports.PROFILE] = File(kind="file", mode="644", uid=0, sha256=digest)
        digest = hashlib.sha256((wanted.toolkit.preferences or "").encode()).hexdigest()
        found[toolkit.PREFERENCES] = File(kind="file", mode="644", uid=0, sha256=digest)
    return found


def _plain(value: Any) -> Any:
    """Models inside plain containers, as plain data."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return value.model_dump() if hasattr(value, "model_dump") else value


WANTS = service.WANTS_LINK
# Every kind of machine that the planner must have an answer for.
GALLERY: dict[str, Machine] = {
    "wsl 24.04, RTX 5090": machine(RTX_5090, wsl=2),
    "wsl 24.04, RTX 4090": machine(RTX_4090, wsl=2),
    "wsl 22.04, RTX 3090": machine(RTX_3090, wsl=2, os=("ubuntu", "22.04"), pythons=("3.10",)),
    "wsl 24.04, 16 GiB": machine(RTX_5060TI_16, wsl=2),
    "wsl 24.04, 12 GiB": machine(RTX_4070_12, wsl=2),
    "native 24.04, 12 GiB": machine(RTX_4070_12),
    "native 24.04, 8 GiB": machine(RTX_4060_8),
    "native 22.04, RTX 3090": machine(RTX_3090, os=("ubuntu", "22.04"), pythons=("3.10",)),
    "native 24.04, RTX 4090, driver 570": machine({**RTX_4090, "driver": "570.133.20"}),
    "native 24.04, RTX 3090, driver 535": machine({**RTX_3090, "driver": "535.183.01"}),
    "native 26.04, RTX 5090": machine(RTX_5090, os=("ubuntu", "26.04"), pythons=("3.14",)),
    "debian 12, H200": machine(H200, os=("debian", "12"), pythons=("3.11",)),
    "native 24.04, two RTX 4090": machine(RTX_4090, {**RTX_4090, "index": 1}),
    "no GPU": machine(),
    "wsl without systemd, RTX 4090": machine(RTX_4090, wsl=2, systemd=False),
    "container, RTX 4090": changed(machine(RTX_4090, systemd=False), "system", container="docker"),
}  # fmt: skip
