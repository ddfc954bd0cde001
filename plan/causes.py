"""Why a server does not serve, in the words of its journal, of our jobs and of the kernel. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from plan import faults, faults_kernel
from plan.converged import serving
from plan.drift import Ours
from plan.findings import tell
from plan.machine import Job, Machine
from plan.plan import Plan
from plan.portrait import answer
from plan.report import Diagnosis, Words
from plan.settings import Settings


def told(machine: Machine, settings: Settings, plan: Plan, ours: Ours) -> Iterator[Diagnosis]:
    """Why the server does not serve, in its own words; nothing where it serves."""
    if machine.logs is None or _serves(machine, settings, plan):
        return
    server = faults.Log(machine.logs.server or "")
    own = faults.causes(server)
    found = [*own, *(fault for job in _failed(machine) for fault in faults.diagnose(job.log))]
    if own or not server.ended:  # what others met while it was stopped on demand is not its end
        found += faults_kernel.kernel(_since(machine.logs.kernel or "", server.began))
    first = {fault.code: fault for fault in reversed(found)}
    known = [fault for code, fault in first.items() if code != "UNKNOWN"]
    yield from (_diagnosis(fault) for fault in known or first.values())


def _serves(machine: Machine, settings: Settings, plan: Plan) -> bool:
    """As planned; or, where there is only a refusal, at all."""
    unit = machine.service.unit
    at_all = machine.service.health == 200 and (unit is None or unit.active == "active")
    return serving(machine, settings, plan) if plan.serve is not None else at_all


def _since(kernel: str, start: str) -> str:
    """Lines of the kernel from the last start on; both begin with the same form of time. An older fault is none of this start's."""
    return "\n".join(line for line in kernel.splitlines() if not start or line[: len(start)] >= start)


def _failed(machine: Machine) -> list[Job]:
    """Jobs that did not end well since the server last answered, the latest first."""
    told = answer(machine)
    at = datetime.fromisoformat(told.at.replace("Z", "+00:00")).timestamp() if told and told.at else 0.0
    jobs = machine.logs.jobs.values() if machine.logs else []
    found = [job for job in jobs if job.state not in ("done", "running") and (job.ended or 0.0) >= at]
    return sorted(found, key=lambda job: -(job.ended or 0))


def _diagnosis(fault: faults.Fault) -> Diagnosis:
    """A cause that a log tells."""
    base = tell("UNKNOWN", fault.evidence)
    again = tell("STOPPED", "").risk
    return base.model_copy(
        update={
            "code": fault.code,
            "actor": "person" if fault.person else "rerun",
            "cause": Words(en=fault.cause, zh=fault.cause_zh),
            "fix": Words(en=fault.fix, zh=fault.fix_zh),
            "risk": again,
        }
    )
