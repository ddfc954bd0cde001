"""Our own root on the target: the helper and the tools (uv, huggingface_hub, supervisor)."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api import QuoteString, StringCommand

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
    seen, tools = ws.machine.files.get(path), ws.machine.releases.tools
    module = ws.machine.files.get(f"{ws.root}/lib/vllm_workstation_defaults.py")
    fresh = seen is not None and seen.sha256 == helper.digest()
    fresh = fresh and module is not None and module.sha256 == helper.sha256(helper.defaults())
    whole = tools is not None and tools.python_works and (tools.complete or {}).get("digest") == helper.tools_digest()
    whole = whole and tools is not None and (tools.python or "").startswith(ws.machine.system.python + ".")
    whole = whole and tools is not None and set(tools.distributions) >= {"uv", "huggingface-hub", "supervisor"}
    if fresh and whole:
        host.noop("the tools are there")
        return
    if not fresh:
        root = QuoteString(ws.root)  # only a directory that we make is ours to close
        yield StringCommand("test -d", root, "|| { mkdir -p", root, "&& chmod 700", root, "; }")
        yield helper.write(path, helper.archive(), "600")
        yield helper.write(f"{ws.root}/lib/vllm_workstation_defaults.py", helper.defaults(), "600")
    if not whole:
        yield helper.command(ws.root, "tools", ws.root, helper.tools_digest(), ws.settings.find_links)
    ws.forget()
