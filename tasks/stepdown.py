"""Answer a start that ran out of memory: plan again with what it taught, and hand the smaller plan over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyinfra.api import StringCommand

from plan import service
from plan.plan import Plan
from tasks import helper
from tasks.workstation import Workstation

DECLINED = "jobs/start/declined.json"  # tasks/remote/start.py waits for this or for another plan


class Steps:
    """The smaller and smaller plans of one start."""

    def __init__(self, ws: Workstation) -> None:
        self.ws = ws
        self.tried: set[str] = set()

    def answer(self, asked: dict[str, Any]) -> Iterator[StringCommand]:
        """Write the next plan where the job asks for one, its start plan last; or tell the job that there is none."""
        if asked.get("wants") != "smaller plan" or asked["spec"] in self.tried:
            return
        self.tried.add(asked["spec"])
        self.ws.forget()
        if self.ws.plan is None or self.ws.machine is None or not self._is_new(self.ws.plan):
            yield helper.write(f"{self.ws.root}/{DECLINED}", b"{}", "600")
            return
        stale = service.stale(self.ws.machine, self.ws.plan.files)
        for text in sorted(stale, key=lambda text: text.path.endswith("/plan.json")):
            yield helper.write(text.path, text.content.encode(), text.mode)
        self.ws.forget()

    def _is_new(self, plan: Plan) -> bool:
        """Whether this run can go on with a plan: of the release that is switched to, and not tried yet."""
        current = self.ws.machine.releases.current if self.ws.machine else None
        return bool(plan.serve and plan.choice and plan.choice.lock == current and plan.serve.spec not in self.tried)

    def why(self) -> str:
        """After a start that failed for want of memory: why nothing smaller is tried now, and what to do."""
        if not self.tried:
            return ""
        self.ws.forget()
        plan = self.ws.plan
        if plan is not None and plan.refusals:
            return "\n".join(str(refusal) for refusal in plan.refusals)
        if plan is not None and plan.serve is not None and plan.serve.spec in self.tried:
            return "No smaller plan is known. Close what uses the card, or set max_model_len and max_num_seqs lower, and run this again."
        return "Another plan is left to try: run this again."
