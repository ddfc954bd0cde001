"""Machine + Settings -> Plan: every decision, in one immutable value. No input or output happens here."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from plan import (
    advisories,
    candidates,
    disk,
    engine,
    exports,
    fitting,
    model,
    platform,
    records,
    serve,
    service,
    toolkit,
    windows,
    wslconf,
)
from plan.candidates import Candidate
from plan.engine import Engine
from plan.evidence import Note, Reason, Refusal
from plan.fit import Fitting
from plan.machine import Machine, Venv
from plan.model import Model
from plan.platform import Kind, Supervisor
from plan.release import Release
from plan.serve import Serve
from plan.service import Text
from plan.settings import Settings
from plan.toolkit import Toolkit

PIN_MARGIN_MIB = 512
BASE_PACKAGES = ["build-essential", "ca-certificates"]


class Choice(BaseModel):
    """The resolver's recorded answer: which release, and the digest of its lock (the release's directory)."""

    model_config = ConfigDict(frozen=True)
    key: str
    release: str
    lock: str
    python: str
    line: str


class Plan(BaseModel):
    """What this machine should become. Where `refusals` is not empty nothing else counts."""

    model_config = ConfigDict(frozen=True)
    kind: Kind
    supervisor: Supervisor
    refusals: list[Refusal] = []
    notes: list[Note] = []
    reasons: list[Reason] = []
    engine: Engine | None = None
    packages: list[str] = []
    purge: list[str] = []
    candidates: list[Candidate] = []
    passed: list[str] = []
    key: str = ""
    choice: Choice | None = None
    release: Release | None = None
    toolkit: Toolkit | None = None
    toolkit_version: str | None = None
    model: Model | None = None
    serve: Serve | None = None
    files: list[Text] = []
    wsl_conf: str | None = None
    pin_probe_mib: int | None = None
    keep: bool = False
    plugin: str | None = None


def make(machine: Machine, settings: Settings, sudo_password: bool = False, keep: bool = False) -> Plan:
    """The plan. Never raises for anything that a machine can be: what cannot be done is in `refusals`.

    `keep`: only repair, so the release stays the recorded one whatever has become possible since.
    """
    base: dict[str, Any] = {"keep": keep, "kind": platform.kind(machine), "supervisor": platform.supervisor(machine)}
    refusals = [r for r in platform.refusals(machine) if not (r.code == "SUDO" and sudo_password)]
    refusals += [r for r in (_root_on_windows(machine, settings),) if r]
    chosen = engine.choose(machine, settings) if not refusals else None
    if isinstance(chosen, Refusal):
        return Plan(**base, refusals=[chosen], purge=_purge(machine, settings))
    if refusals or chosen is None:
        return Plan(**base, refusals=refusals)
    return _for_engine(machine, settings, base, *chosen)


def _for_engine(machine: Machine, settings: Settings, base: dict[str, Any], which: Engine, why: Reason) -> Plan:
    gpu = engine.best_gpu(machine) if which == "cuda" else None
    weights = model.choose(machine, settings, which)

    def fits(one: Release) -> Fitting | Refusal | None:
        return fitting.best(machine, settings, gpu, weights, one) if gpu else None

    found = candidates.candidates(machine, settings, which, fits)
    if isinstance(found, Refusal):
        return Plan(**base, refusals=[found])
    suiting, passed = found
    base |= {"engine": which, "candidates": suiting, "passed": passed, "model": weights, "reasons": [why]}
    base |= {"key": candidates.key(machine, settings, which, suiting), "wsl_conf": _wsl_conf(machine)}
    base |= {"pin_probe_mib": _pin_probe(machine, suiting)}
    return _for_choice(machine, settings, base)


def _for_choice(machine: Machine, settings: Settings, base: dict[str, Any]) -> Plan:
    """What depends on the release that the resolver found; before that, on the first candidate."""
    suiting: list[Candidate] = base["candidates"]
    choice = _recorded(machine, None if base["keep"] else base["key"], [c.release.name for c in suiting])
    if base["keep"] and choice is None:
        return Plan(**base, refusals=[_nothing_to_keep(machine)])
    picked = next((c for c in suiting if choice and c.release.name == choice.release), suiting[0])
    wanted = toolkit.choose(machine, settings, picked.release.cuda) if base["engine"] == "cuda" else None
    version = toolkit.installed(machine, wanted) if wanted else None
    drivers = _drivers(machine)
    base |= {
        "packages": _packages(machine, base["supervisor"], picked),
        "purge": _purge(machine, settings),
        "toolkit": wanted,
        "toolkit_version": version,
        "release": picked.release if choice else None,
        "choice": choice,
        "notes": [
            *_notes(machine, settings, base, drivers, version),
            *_advisories(settings, picked.release, base["model"]),
        ],
    }
    there = bool(choice and machine.releases.releases.get(choice.lock, Venv()).complete)
    parts = disk.needed(
        machine, base["model"], picked.release.disk_gib, there, toolkit=wanted is not None and version is None
    )
    full = disk.refusal(machine, parts)
    if full:
        return Plan(**base, refusals=[full])
    return _with_service(machine, settings, base, choice, picked)


def _with_service(
    machine: Machine, settings: Settings, base: dict[str, Any], choice: Choice | None, picked: Candidate
) -> Plan:
    if choice is None:
        return Plan(**base)
    gpu = engine.best_gpu(machine) if base["engine"] == "cuda" else None
    start = serve.render(machine, settings, picked, choice.lock, base["model"], gpu)
    base["plugin"] = start.environment.get("VLLM_WORKSTATION_PLUGIN_VERSION")
    texts = service.files(machine, settings, base["supervisor"], base["model"], start)
    base["reasons"] = [*base["reasons"], *start.reasons]
    return Plan(**base, serve=start, files=texts)


def _drivers(machine: Machine) -> list[str]:
    """Linux drivers that have no place here."""
    return platform.driver_packages(machine) if machine.wsl.version else []


def _purge(machine: Machine, settings: Settings) -> list[str]:
    """Those of them that may go. They may be why there is no plan: they hide the GPU."""
    return _drivers(machine) if settings.remove_wsl_driver else []


def _pin_probe(machine: Machine, suiting: list[Candidate]) -> int | None:
    """MiB of host memory to try to pin before the release is chosen; None where nothing is pinned or it is known."""
    first = next((c for c in suiting if not c.release.ordered), suiting[0])
    wanted = first.fitting.fit.pinned_gib if first.fitting else 0.0
    needed, found = int(wanted * 1024) + PIN_MARGIN_MIB, records.pinned(machine)
    # Where less came than was asked for, asking for more is of no use.
    known = found is not None and (found.mib != found.asked_mib or found.asked_mib >= needed - PIN_MARGIN_MIB)
    return None if not wanted or known else needed


def _nothing_to_keep(machine: Machine) -> Refusal:
    return Refusal(
        code="NOT-SET-UP",
        message=f"{machine.releases.root} holds no release that was chosen for this machine and still suits it, so there is nothing to repair.",
        remedy="Run deploy/full.py.",
    )


def _kept(machine: Machine, lock: object) -> bool:
    """Whether the lock of a release is still what its name says, where it is kept or in the release itself."""
    venv = machine.releases.releases.get(str(lock), Venv())
    return lock in (machine.releases.locks.get(str(lock)), venv.lock)


def _recorded(machine: Machine, key: str | None, suiting: list[str]) -> Choice | None:
    """The recorded answer to this very question (None: to any), if there is one, it still suits and its lock is there."""
    record = machine.releases.choice
    if (
        not record
        or (key is not None and record.get("key") != key)
        or not _kept(machine, record.get("lock"))
        or record.get("release") not in suiting
        or not set(Choice.model_fields) <= set(record)
    ):
        return None
    try:
        return Choice(**{name: record[name] for name in Choice.model_fields})
    except ValidationError:  # somebody edited it: the resolver is asked again
        return None


def _packages(machine: Machine, supervisor: str, picked: Candidate) -> list[str]:
    """Debian packages to have: build tools for Triton and inductor, the interpreter's parts, the user's bus."""
    system = machine.system.python if machine.system.python in machine.system.pythons else ""
    wanted = [*BASE_PACKAGES, *picked.release.packages, *(f"python{v}-venv" for v in [system] if v)]
    if picked.python in machine.system.pythons:
        wanted.append(f"python{picked.python}-dev")
    if supervisor != "supervisord":
        wanted += ["dbus-user-session", "libpam-systemd", "systemd-sysv"]
    return sorted(set(wanted))


def missing_packages(machine: Machine, names: list[str]) -> list[str]:
    """Those that dpkg does not have whole."""
    return [name for name in names if (p := machine.packages.installed.get(name)) is None or p.state != "installed"]


def _wsl_conf(machine: Machine) -> str | None:
    """The wsl.conf to write where systemd is neither running nor asked for, or would be gone after the next start."""
    switched_off = bool(machine.wsl.version) and wslconf.switched_off(machine.wsl.conf)
    if platform.supervisor(machine) != "wsl-restart" and not switched_off:
        return None
    text = wslconf.with_systemd(machine.wsl.conf)
    return text if text != (machine.wsl.conf or "") else None


def _root_on_windows(machine: Machine, settings: Settings) -> Refusal | None:
    if not windows.holds(machine, settings.root):
        return None
    return Refusal(
        code="WINDOWS-DISK",
        message=f"root = {settings.root} lies on the Windows side, where reading the model takes minutes.",
        remedy="Use a directory of the Linux disk, such as ~/.local/share/vllm-workstation.",
    )


def _advisories(settings: Settings, picked: Release, served: Model) -> list[Note]:
    """Known holes of the release that can matter here: some need that others reach the port."""
    exposed = not settings.near
    found = advisories.applying(picked.version, exposed, other_model=not served.is_gpt_oss)
    return [Note(code=one.id, message=f"vLLM {picked.version}: {one}") for one in found]


def _notes(
    machine: Machine, settings: Settings, base: dict[str, Any], drivers: list[str], version: str | None
) -> list[Note]:
    notes = exports.notes(machine, version) if base["engine"] == "cuda" and settings.exports else []
    if machine.wsl.version:
        notes.append(Note(code="WSL-IDLE", message=wslconf.IDLE))
    if drivers and not settings.remove_wsl_driver:
        text = f"a Linux NVIDIA driver is installed inside WSL ({', '.join(drivers)}), which can hide the GPU. "
        notes.append(
            Note(
                code="WSL-DRIVER",
                message=text + "Remove it: set remove_wsl_driver = True, or sudo apt-get purge " + " ".join(drivers),
            )
        )
    if base["engine"] == "cpu":
        notes.append(
            Note(
                code="NOT-GPT-OSS",
                message=f"{base['model'].served} on the processor: it is not gpt-oss-20b, which needs an NVIDIA GPU.",
            )
        )
    if base["model"].kind == "directory" and windows.holds(machine, base["model"].directory):
        notes.append(
            Note(
                code="SLOW-DISK",
                message=f"{base['model'].directory} lies on the Windows side: each start reads it slowly.",
            )
        )
    return notes
