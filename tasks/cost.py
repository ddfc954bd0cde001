"""Under --dry: what a run would download on each machine, and for how long."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from facts.archives import Archives
from facts.rate import Rate
from plan import cost
from plan.cost import INDEX, MODEL, PACKAGES, TOOLKIT, TOOLS, VLLM, Cost
from tasks import cuda, helper, model, packages, release, tools
from tasks.task import Task
from tasks.workstation import Workstation

BY: dict[Task, str] = {
    packages.present: PACKAGES, tools.present: TOOLS, release.chosen: INDEX, release.present: VLLM, release.converter: VLLM, model.present: MODEL,
    cuda.installed: TOOLKIT,
}  # fmt: skip


def asked() -> bool:
    """Whether this run only looks: with --dry, without -y."""
    return "--dry" in sys.argv  # click's own context is not there in greenlets


def look(ws: Workstation, tasks: Iterable[Task]) -> None:
    """Reckon what these steps still lack on this machine, and measure its rate where that is anything."""
    wanted = [task for task in tasks if task in BY]
    if not wanted or ws.machine is None or ws.plan is None:
        return
    parts = [BY[task] for task in wanted if task is not release.converter or ws.plan.engine == "cpu"]
    asked_for = {part: names for part, names in cost.choices(ws.machine, ws.plan).items() if part in parts}
    apt = {part: ws.host.get_fact(Archives, choices=names) for part, names in asked_for.items()}
    found = cost.only(cost.of(ws.machine, ws.plan, helper.tools_digest(), apt), parts)
    url = cost.sample(ws.plan.model)
    rate = ws.host.get_fact(Rate, url=url) if url and found.known else None
    ws.cost = found.model_copy(update={"rate": rate, "cache": getattr(ws.settings, "cache", "")})


def told(known: Mapping[str, Workstation]) -> dict[str, Cost]:
    """The costs of a dry run; empty otherwise."""
    return {name: ws.cost for name, ws in known.items() if ws.cost is not None}
