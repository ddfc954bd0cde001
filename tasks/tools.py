"""Our own root on the target: the helper and the tools (uv, huggingface_hub, supervisor)."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api import QuoteString, StringCommand

from plan import tools
from tasks import helper
from tasks.task import task
from tasks.workstation import Workstation


@task
def present(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure the helper and the locked tools are there.

    + ws: the host
    """
    if ws.plan is None or ws.machine is None or ws.plan.refusals:
        return
    path = helper.path(ws.root)
    seen = ws.machine.files.get(path)
    module = ws.machine.files.get(f"{ws.root}/lib/{helper.DEFAULTS}")
    fresh = seen is not None and seen.sha256 == helper.digest()
    fresh = fresh and module is not None and module.sha256 == helper.sha256(helper.defaults())
    whole = tools.why_not(ws.machine, helper.tools_digest()) is None
    if fresh and whole:
        host.noop("the tools are there")
        return
    if not fresh:
        root = QuoteString(ws.root)  # only a directory that we make is ours to close
        yield StringCommand("test -d", root, "|| { mkdir -p", root, "&& chmod 700", root, "; }")
        yield from helper.deliver(path, helper.archive(), "600")
        yield helper.write(f"{ws.root}/lib/{helper.DEFAULTS}", helper.defaults(), "600")
    if not whole:
        yield helper.command(ws.root, "tools", ws.root, helper.tools_digest(), ws.settings.find_links, ws.cache)
    ws.forget()
