"""Debian packages: build tools, the interpreter's parts, no driver inside WSL."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api import QuoteString, StringCommand

from plan.plan import missing_packages
from tasks import rooted
from tasks.task import task
from tasks.workstation import Workstation

APT = "env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=2 -o Acquire::http::Timeout=60"

# DPkg::Lock::Timeout does not cover the lock of the package lists, so a busy one (apt-daily, another run) is waited for here.
UPDATE = (
    f"( i=0; until said=$({APT} update 2>&1); do i=$((i+1)); "
    'echo "$said" | grep -q lists/lock && [ $i -lt 150 ] || { echo "$said" >&2; exit 1; }; sleep 2; done )'
)
THROUGH = "/run/vllm-workstation-apt"  # root's, and gone with the next boot
# An interrupted dpkg, or one at work: its lock is waited for.
CONFIGURE = (
    "( i=0; until said=$(env DEBIAN_FRONTEND=noninteractive dpkg --force-confold --configure -a 2>&1); do i=$((i+1)); "
    'echo "$said" | grep -q lock && [ $i -lt 150 ] || { echo "$said" >&2; exit 1; }; sleep 2; done )'
)


def by_cache(ws: Workstation, script: str | StringCommand) -> StringCommand:
    """Root's commands with apt-get in them, which then asks the lab's cache; where that is away or does not do, without it."""
    if not ws.cache:
        return StringCommand(script)
    ready = rooted.program("aptcache", THROUGH, ws.cache, *(["old"] if ws.settings.wheelhouse else []))
    say = f"echo 'not through the cache {ws.cache}: straight from the internet' >&2"
    return StringCommand(
        "if", ready, f"; then ( export APT_CONFIG={THROUGH}/apt.conf;", script, f"\n) || {{ {say};", script, "\n}; else", script, "\nfi"
    )


@task
def present(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure the packages of the plan are installed, finishing an interrupted dpkg first.

    + ws: the host
    """
    if ws.plan is None or ws.machine is None or ws.plan.refusals:
        return
    missing = missing_packages(ws.machine, ws.plan.packages)
    if ws.machine.packages.interrupted:
        yield ws.as_root(f"{CONFIGURE} || true")  # what is not ours may stay as it is
    if missing:
        install = StringCommand(APT, "install --no-install-recommends", *(QuoteString(name) for name in missing))
        first = f"{UPDATE};" if not ws.machine.apt.lists else ""
        sorry = f"could not install {' '.join(missing)}. See apt above; then run this again."
        whole = StringCommand(
            first, install, f"|| {{ {UPDATE};", install, "; } || { echo", QuoteString(sorry), ">&2; exit 1; }"
        )
        yield ws.as_root(by_cache(ws, whole))
    if missing or ws.machine.packages.interrupted:
        ws.forget()
    else:
        host.noop("all packages are installed")


@task
def no_driver(ws: Workstation) -> Iterator[StringCommand]:
    """
    Remove Linux NVIDIA drivers from inside WSL, where `remove_wsl_driver` allows it: before anything is refused for the GPU that they hide.

    + ws: the host
    """
    if ws.plan is None or ws.machine is None or not ws.plan.purge:
        host.noop("no driver to remove")
        return
    if ws.machine.packages.interrupted:
        yield ws.as_root(f"{CONFIGURE} || true")
    yield ws.as_root(APT, "purge", *(QuoteString(name) for name in ws.plan.purge))
    ws.forget()
    ws.remember_more()
