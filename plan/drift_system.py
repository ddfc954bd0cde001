"""Drift outside our root, and of our tools: packages, toolkit, apt source, exports, wsl.conf, owners, leftovers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from plan import exports, toolkit, tools
from plan.converged import no_nvcc
from plan.drift import Ours, Wrong
from plan.machine import Machine
from plan.plan import Plan, missing_packages
from plan.settings import Settings


def owners(machine: Machine, settings: Settings, plan: Plan, ours: Ours) -> Iterator[Wrong]:
    """Files of ours that a run under sudo left to root."""
    found = [*machine.owner.root, *machine.owner.home]
    if found:
        yield "OWNER", f"{', '.join(found[:3])}{' and more' if len(found) > 3 else ''} belong to another user"
    for name, check in machine.libraries.items():
        for one in check.findings:
            if one.code == "OWNER":
                yield "OWNER", f"{name}: {one.message}"


def orphans(machine: Machine, settings: Settings, plan: Plan, ours: Ours) -> Iterator[Wrong]:
    """Processes of a server that nothing supervises."""
    for one in machine.service.orphans:
        yield "ORPHAN", f"process {one.pid} ({one.command[:60]}) is a server of ours that nothing supervises"


def packages(machine: Machine, settings: Settings, plan: Plan, ours: Ours) -> Iterator[Wrong]:
    """Debian packages."""
    if machine.packages.interrupted:
        yield (
            "DPKG",
            f"dpkg was interrupted{': ' if machine.packages.halfway else ''}{' '.join(machine.packages.halfway[:5])}",
        )
    missing = missing_packages(machine, plan.packages)
    if missing:
        yield "PACKAGES", f"packages missing: {' '.join(missing)}"
    if plan.purge:
        yield "WSL-DRIVER", f"a Linux driver inside WSL: {' '.join(plan.purge)}"


def our_tools(machine: Machine, settings: Settings, plan: Plan, ours: Ours) -> Iterator[Wrong]:
    """The helper, and the venv with uv."""
    for path, digest in sorted(ours.files.items()):
        seen = machine.files.get(path)
        if seen is None or seen.sha256 != digest:
            yield "TOOLS", f"{path} {'is missing' if seen is None else 'is not as delivered'}"
    why = tools.why_not(machine, ours.tools) if ours.tools else None
    if why:
        yield "TOOLS", why


def cuda(machine: Machine, settings: Settings, plan: Plan, ours: Ours) -> Iterator[Wrong]:
    """The toolkit, where it comes from, and what /usr/local/cuda leads to."""
    if plan.toolkit is None:
        return
    if not toolkit.source_ready(machine, plan.toolkit):
        yield "APT-SOURCE", "NVIDIA's repository is not read once under the pinned key"
    elif toolkit.preferences_stale(machine, plan.toolkit):
        yield "APT-SOURCE", f"{toolkit.PREFERENCES}, which keeps drivers away, is not as planned"
    lost = toolkit.lost(machine, plan.toolkit)
    if lost:
        yield "TOOLKIT-FILES", f"{sum(lost.values())} files of {', '.join(list(lost)[:4])} are gone"
    elif plan.toolkit_version is None:
        yield "TOOLKIT", f"cuda-toolkit of {' or '.join(plan.toolkit.versions[:1])} is not installed whole"
    if plan.toolkit_version and machine.toolkit.current != plan.toolkit_version:
        yield (
            "ALTERNATIVES",
            f"/usr/local/cuda leads to {machine.toolkit.current or 'nothing'}, not {plan.toolkit_version}",
        )


def shells(machine: Machine, settings: Settings, plan: Plan, ours: Ours) -> Iterator[Wrong]:
    """The exports."""
    if not settings.exports or plan.toolkit_version is None:
        return
    if not exports.profile_right(machine, plan.toolkit_version):
        yield "EXPORTS", f"{exports.PROFILE} is not as planned"
    elif machine.exports.hooks != 1:
        yield "EXPORTS", f"{exports.BASHRC} reads it {machine.exports.hooks} times"
    elif no_nvcc(machine, settings, plan):
        yield "EXPORTS", "a fresh login shell does not find nvcc"


def wsl(machine: Machine, settings: Settings, plan: Plan, ours: Ours) -> Iterator[Wrong]:
    """systemd in WSL."""
    if plan.wsl_conf is not None:
        yield "WSL-CONF", "/etc/wsl.conf does not ask for systemd"


LOOKS: list[Callable[[Machine, Settings, Plan, Ours], Iterator[Wrong]]] = [
    owners,
    orphans,
    packages,
    our_tools,
    cuda,
    shells,
    wsl,
]
