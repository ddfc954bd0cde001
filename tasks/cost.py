"""Under --dry: what a run would download on each machine, and for how long."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from facts.rate import Rate
from plan import cost
from plan.cost import Cost
from tasks import helper
from tasks.workstation import Workstation


def asked() -> bool:
    """Whether this run only looks: with --dry, without -y."""
    return "--dry" in sys.argv  # click's own context is not there in greenlets


def look(ws: Workstation) -> None:
    """Reckon what this machine still lacks, and measure its rate where that is anything."""
    if ws.machine is None or ws.plan is None:
        return
    found = cost.of(ws.machine, ws.plan, helper.tools_digest())
    url = cost.sample(ws.plan.model)
    rate = ws.host.get_fact(Rate, url=url) if url and found.known else None
    ws.cost = found.model_copy(update={"rate": rate})


def told(known: Mapping[str, Workstation]) -> dict[str, Cost]:
    """The costs of a dry run; empty otherwise."""
    return {name: ws.cost for name, ws in known.items() if ws.cost is not None}
