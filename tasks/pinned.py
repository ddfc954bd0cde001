"""Try how much host memory can be pinned, where the plan may need it."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra import host, logger
from pyinfra.api import StringCommand

from plan.machine import Machine
from tasks import helper
from tasks.task import task
from tasks.workstation import Workstation


@task
def present(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure it is known how much host memory this machine's driver pins; tried once for this memory and kernel, and again where more is needed.

    + ws: the host
    """
    if ws.plan is None or ws.machine is None or ws.plan.refusals:
        return
    needed = ws.plan.pin_probe_mib
    if not needed or serves(ws.machine):
        host.noop("nothing to pin, or it is known how much can be")
        return
    yield helper.command(ws.root, "pinned", ws.root, str(needed))
    ws.forget()
    found = (ws.machine.releases.pinned or {}) if ws.machine else {}
    logger.info(f"{ws.host.print_prefix}host memory that can be pinned: {words(found)}")
    if ws.plan and ws.plan.refusals:  # now that it is known
        yield helper.fail("\n".join(str(refusal) for refusal in ws.plan.refusals))


def serves(machine: Machine) -> bool:
    """Whether our server runs: it holds what would be tried for."""
    unit, supervised = machine.service.unit, machine.service.supervised
    return bool((unit and unit.spec) or (supervised and supervised.spec))


def words(found: dict[str, object]) -> str:
    """The answer, for people."""
    mib, asked, error = found.get("mib"), found.get("asked_mib"), found.get("error")
    if not isinstance(mib, int):
        return f"unknown ({error or 'no answer'}); half of the machine's memory is counted on"
    return f"{mib / 1024:.1f} of {int(str(asked)) / 1024:.1f} GiB" + (f" ({error})" if error else "")
