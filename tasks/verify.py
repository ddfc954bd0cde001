"""Look again, and say how each host ended."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pyinfra import host, logger
from pyinfra.api import StringCommand

from plan.converged import next_steps
from tasks import helper
from tasks.task import task
from tasks.workstation import Workstation


@task
def converged(ws: Workstation) -> Iterator[StringCommand]:
    """
    Check that the machine is what the plan says; a host that is not fails with what is left.

    + ws: the host
    """
    if not ws.host.state.is_executing or ws.plan is None or ws.machine is None or ws.plan.refusals:
        return
    ws.left = ws.problems()
    left = [str(problem) for problem in ws.left if problem.step]
    if left:
        yield helper.fail(
            f"not as planned yet: {'; '.join(left)}. Run this again; if it stays, report it with the output of deploy/facts.py."
        )
        return
    ws.verified = next_steps(ws.plan) or answer(ws)
    for note in ws.plan.notes:
        logger.info(f"{ws.host.print_prefix}note: {note.message}")
    host.noop(ws.verified)


def answer(ws: Workstation) -> str:
    """`serving openai/gpt-oss-20b at http://127.0.0.1:8000/v1 …`, with the first answer it gave."""
    assert ws.plan is not None and ws.machine is not None and ws.plan.serve is not None
    arguments = ws.plan.serve.arguments
    name = arguments[arguments.index("--served-model-name") + 1]
    text = f"serving {name} at http://{ws.settings.host}:{ws.settings.port}/v1"
    try:
        first = json.loads(ws.machine.service.answered or "{}")["answers"][0]
        text += f"; answered {first['answer'][:60]!r} in {first['seconds']} s"
    except (ValueError, KeyError, IndexError):
        pass
    return text
