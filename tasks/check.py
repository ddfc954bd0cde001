"""Before anything is touched: can this machine be looked at, and is there a plan for it?"""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api import StringCommand

from plan.converged import port_taken
from tasks import helper
from tasks.task import task
from tasks.workstation import Workstation

INSTALL = "DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends python3"
NO_PYTHON = "this machine has no python3 and it could not be installed. Install it (apt-get install python3) and run this again."

_FETCH = f'S=; [ "$(id -u)" = 0 ] || S="sudo -n"; command -v python3 >/dev/null || {{ $S apt-get update -q; $S env {INSTALL}; }}'
SCRIPT = f"{_FETCH} || {{ echo '{NO_PYTHON}' >&2; exit 1; }}"


@task
def python(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure that the target has a python3 to be looked at with.

    + ws: the host
    """
    if ws.machine is not None:
        host.noop("python3 is there")
        return
    yield StringCommand(SCRIPT)
    ws.forget()


@task
def machine(ws: Workstation) -> Iterator[StringCommand]:
    """
    Stop this host, and only this host, where nothing can or may be done on it.

    + ws: the host
    """
    if ws.plan is None:
        if ws.host.state.is_executing:
            yield helper.fail("the machine did not answer the probe. Run deploy/facts.py and report what it prints.")
        return
    if ws.plan.refusals:
        yield helper.fail("\n".join(str(refusal) for refusal in ws.plan.refusals))
        return
    taken = port_taken(ws.machine, ws.settings) if ws.machine else None
    if taken:  # said before anything is downloaded
        yield helper.fail(taken)
        return
    host.noop(" ".join(reason.text for reason in ws.plan.reasons))
