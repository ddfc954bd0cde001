"""Our tools on the target (uv, huggingface_hub, supervisor): are they as locked?"""

from __future__ import annotations

from plan.machine import Libraries, Machine

NEEDED = {"uv", "huggingface-hub", "supervisor"}


def why_not(machine: Machine, digest: str) -> str | None:
    """What is wrong with them; None where they are right. `digest`: of the lock that they should be of."""
    tools = machine.releases.tools
    if tools is None:
        return "the tools are not there"
    if not tools.python_works:
        return "the tools have no python any more"
    if (tools.complete or {}).get("digest") != digest:
        return "the tools are of another lock"
    if not (tools.python or "").startswith(machine.system.python + "."):
        return f"the tools are for Python {tools.python}, and this machine has {machine.system.python}"
    missing = NEEDED - set(tools.distributions)
    if missing:
        return f"{', '.join(sorted(missing))} is missing from the tools"
    broken = [one for one in machine.libraries.get("tools", Libraries(verdict="ok")).findings if one.code != "OWNER"]
    return f"tools: {broken[0].code} {broken[0].message}" if broken else None
