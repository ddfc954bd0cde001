"""What the library check of a release means: which distributions to put back, what is only named."""

from __future__ import annotations

import posixpath

from pydantic import BaseModel, ConfigDict

from plan.machine import Finding, Machine, Venv
from plan.toml import table


class Mend(BaseModel):
    """The least repair: distributions to put back from the lock, files that no distribution owns, and why."""

    model_config = ConfigDict(frozen=True)
    damaged: list[str] = []
    stray: list[str] = []
    findings: list[Finding] = []


def found(machine: Machine, release: str) -> list[Finding]:
    """Findings that the release did not have when it was built: a wheel's own peculiarities are no drift."""
    check = machine.libraries.get(release)
    mark = machine.releases.releases.get(release, Venv()).complete or {}
    known = mark.get("findings")
    known = known if isinstance(known, list) else []
    base = f"{machine.releases.root}/releases/{release}"
    signatures = [[one.code, one.package, _below(one.path or "", base)] for one in (check.findings if check else [])]
    return [one for one, signed in zip(check.findings if check else [], signatures, strict=True) if signed not in known]


def _below(path: str, base: str) -> str:
    """The path within the release, as tasks/remote/build.py writes it in the mark."""
    return posixpath.relpath(path, base) if path.startswith(base) else path


def ours(machine: Machine, release: str) -> list[Finding]:
    """Those that a repair puts right."""
    return [
        one for one in found(machine, release) if one.cause == "package" and _how(one) in ("put back", "sync", "remove")
    ]


def named(machine: Machine, release: str) -> list[Finding]:
    """Those that come from what the user owns, once in the server's own surroundings and once in the user's shells."""
    own = [one for one in found(machine, release) if one.cause == "environment"]
    shell = machine.libraries.get("shell")
    told = {(one.code, one.path) for one in own}
    return own + [one for one in (shell.findings if shell else []) if (one.code, one.path) not in told]


def mend(machine: Machine, release: str) -> Mend:
    """The least repair; empty where nothing is to be done."""
    wrong = ours(machine, release)
    damaged = {one.package for one in wrong if one.package and _how(one) == "put back"}
    stray = {one.path for one in wrong if one.path and _how(one) == "remove"}
    return Mend(damaged=sorted(damaged), stray=sorted(stray), findings=wrong)


def _how(finding: Finding) -> str:
    return str(table("libraries")["mend"].get(finding.code, "name"))
