"""What is wrong on a machine that should be as planned: code and evidence, and who mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict

from plan import drift_server, drift_system, libraries
from plan.drift import Ours, Wrong
from plan.machine import Machine, Venv
from plan.model import ready
from plan.plan import Plan
from plan.settings import Settings
from plan.toml import table


class Problem(BaseModel):
    """One thing that is not as planned. `step` is the operation that mends it; None where it is the user's, who finds the way in `next`."""

    model_config = ConfigDict(frozen=True)
    code: str
    evidence: str
    done: str = ""
    step: str | None = None
    job: str | None = None
    next: str = ""

    def __str__(self) -> str:
        return f"{self.code}: {self.evidence}" + (f" {self.next}" if self.next else "")


Look = Callable[[Machine, Settings, Plan, Ours], Iterator[Wrong]]


def find(machine: Machine, settings: Settings, plan: Plan, ours: Ours | None = None) -> list[Problem]:
    """All of them, in the order in which a run mends them; empty where the machine is as planned. `ours`: what a run delivers."""
    looks: list[Look] = [*drift_system.LOOKS, release, library, model, *drift_server.LOOKS]
    return _found(looks, machine, settings, plan, ours or Ours())


def apart(machine: Machine, settings: Settings, plan: Plan, ours: Ours) -> list[Problem]:
    """Those that can be told where the plan is only a refusal."""
    looks: list[Look] = [
        drift_system.owners,
        drift_system.orphans,
        drift_system.packages,
        drift_server.taken,
        drift_server.server,
        drift_server.disk,
    ]
    return _found(looks, machine, settings, plan, ours)


def _found(looks: list[Look], machine: Machine, settings: Settings, plan: Plan, ours: Ours) -> list[Problem]:
    seen = [wrong for look in looks for wrong in look(machine, settings, plan, ours)]
    order = list(rows())
    found = [Problem(code=code, evidence=evidence, **_row(rows()[code])) for code, evidence in seen]
    return sorted(found, key=lambda problem: order.index(problem.code))


@cache
def rows() -> dict[str, dict[str, Any]]:
    """Rows of the table by code, in its order."""
    return {row["code"]: row for row in table("problems")["problem"]}


def sound(machine: Machine, settings: Settings, plan: Plan) -> bool:
    """Whether the chosen release lies there whole, every distribution as it was built in."""
    wrong = [*release(machine, settings, plan, Ours()), *library(machine, settings, plan, Ours())]
    return all(code == "FOREIGN-LIBRARY" for code, _ in wrong)


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key in Problem.model_fields and key != "code"}


def set_up_once(machine: Machine) -> bool:
    """Whether this machine has served before: only then is something missing a fault, and not simply still to come."""
    return machine.service.answered is not None or machine.releases.current_kind is not None


def release(machine: Machine, settings: Settings, plan: Plan, ours: Ours) -> Iterator[Wrong]:
    """The recorded choice, its lock, and the venv built from it."""
    if plan.choice is None:
        yield "CHOICE", _unchosen(machine, plan)
        return
    lock = plan.choice.lock
    venv = machine.releases.releases.get(lock, Venv())
    if not venv.python_works:
        yield "RELEASE", f"releases/{lock} {'has no python any more' if venv.distributions else 'is not there'}"
    elif venv.complete is None:
        yield "RELEASE", f"releases/{lock} is not complete"
    else:
        yield from _versions(plan, venv)
        if machine.releases.locks.get(lock) != lock:
            yield "LOCK", f"locks/{lock} is lost or was edited"


def _unchosen(machine: Machine, plan: Plan) -> str:
    record = machine.releases.choice or {}
    if record.get("key") not in (None, plan.key):
        return f"the recorded answer ({record.get('release')}) is to another question: settings, driver, system or our catalogue have changed since"
    return "there is no recorded answer to which release this machine gets, or its lock is lost"


def _versions(plan: Plan, venv: Venv) -> Iterator[Wrong]:
    told = (venv.complete or {}).get("distributions")
    built: dict[str, str] = told if isinstance(told, dict) else {}
    if plan.plugin:
        built = built | {"vllm-workstation-plugin": plan.plugin}
    there = venv.distributions
    for name, version in sorted(built.items()):
        if there.get(name) != version:
            yield "VERSIONS", f"{name} {version} " + (f"is {there[name]} now" if name in there else "is missing")


def library(machine: Machine, settings: Settings, plan: Plan, ours: Ours) -> Iterator[Wrong]:
    """What the library check found: ours to mend, or named."""
    if plan.choice is None or not machine.releases.releases.get(plan.choice.lock, Venv()).complete:
        return
    for one in libraries.ours(machine, plan.choice.lock):
        yield "LIBRARY", f"{one.code} {one.message}"
    for one in libraries.named(machine, plan.choice.lock):
        yield "FOREIGN-LIBRARY", f"{one.code} {one.message}: {one.fix or ''}".rstrip(": ")


def model(machine: Machine, settings: Settings, plan: Plan, ours: Ours) -> Iterator[Wrong]:
    """The weights."""
    if plan.model is not None and not ready(machine, plan.model):
        seen = machine.weights.get(plan.model.directory)
        record = (seen.verified or {}).get("files") if seen else None
        names = _differing(seen.files if seen else {}, record if isinstance(record, dict) else {})
        yield (
            "MODEL",
            f"{plan.model.directory} {'differs: ' + ', '.join(names) if names else 'is not there or was never checked'}",
        )


def suspects(machine: Machine, plan: Plan) -> list[str]:
    """Distributions and weights that only reading them whole has shown to be wrong; later looks read these again."""
    found = {one.package for check in machine.libraries.values() for one in check.findings if one.code == "HASH"}
    seen = machine.weights.get(plan.model.directory) if plan.model else None
    record = (seen.verified or {}).get("files") if seen else None
    names = _differing(seen.files if seen else {}, record if isinstance(record, dict) else {})
    return sorted({name for name in found if name} | set(names))


def _differing(there: Mapping[str, object], recorded: Mapping[str, Any]) -> list[str]:
    """Names of recorded files that are gone or of another size, time or digest."""

    def told(one: object) -> tuple[object, ...]:
        fields = one if isinstance(one, dict) else getattr(one, "__dict__", {})
        return fields.get("size"), fields.get("mtime_ns")

    def other(name: str) -> bool:
        digests = (
            getattr(there[name], "sha256", None),
            (recorded[name] if isinstance(recorded[name], dict) else {}).get("sha256"),
        )
        return told(there[name]) != told(recorded[name]) or (None not in digests and digests[0] != digests[1])

    return [name for name in sorted(recorded) if name not in there or other(name)][:5]
