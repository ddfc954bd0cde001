"""The CUDA toolkit from NVIDIA's signed repository; never a driver."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from pyinfra import host
from pyinfra.api import QuoteString, StringCommand

from plan import toolkit
from plan.toolkit import Toolkit
from tasks import helper, rooted
from tasks.packages import APT, UPDATE, by_cache
from tasks.task import task
from tasks.workstation import Workstation

HEADER = "# written by vllm-workstation; deploy/full.py rewrites it\n"
PRIORITY = 100  # of a lost alternative; NVIDIA's packages use 120 and more
DRIVERS = (
    "^Inst (cuda-drivers|nvidia-driver|nvidia-open|nvidia-dkms|libnvidia-compute|libcuda1|xserver-xorg-video-nvidia)"
)


@task
def source(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure apt reads NVIDIA's repository once, under the pinned key, and no driver can come from it in WSL.

    + ws: the host
    """
    wanted = ws.plan.toolkit if ws.plan and not ws.plan.refusals else None
    if wanted is None or ws.machine is None:
        host.noop("no toolkit is wanted")
        return
    pinned = _preferences_missing(ws, wanted)
    ready = toolkit.source_ready(ws.machine, wanted)
    if ready and pinned is None and ws.machine.apt.cuda_lists:
        host.noop("the repository is set up")
        return
    if pinned is not None:
        yield ws.as_root(helper.write(toolkit.PREFERENCES, pinned, "644"))
    if not ready:
        yield from _set_up(ws, wanted)
    yield ws.as_root(by_cache(ws, UPDATE))
    ws.forget()


def _preferences_missing(ws: Workstation, wanted: Toolkit) -> bytes | None:
    if wanted.preferences is None or ws.machine is None:
        return None
    return wanted.preferences.encode() if toolkit.preferences_stale(ws.machine, wanted) else None


def _set_up(ws: Workstation, wanted: Toolkit) -> Iterator[StringCommand]:
    assert ws.machine is not None
    for path, rows in groupby(wanted.disable, key=lambda entry: entry[0]):
        yield ws.as_root(rooted.program("sources", path, *(str(line) for _, line in rows)))
    for path in wanted.retired_keyrings:
        yield ws.as_root("rm -f", QuoteString(path))
    if wanted.fingerprint not in ws.machine.apt.keys.get(wanted.keyring, []):
        yield ws.as_root(rooted.program("key", wanted.key_url, wanted.fingerprint, wanted.keyring, ws.cache))
    if wanted.add:
        yield ws.as_root(helper.write(wanted.source_file, f"{HEADER}{wanted.source_line}\n".encode(), "644"))


@task
def installed(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure a toolkit that matches the release is installed and is /usr/local/cuda.

    + ws: the host
    """
    wanted = ws.plan.toolkit if ws.plan and not ws.plan.refusals else None
    if wanted is None or ws.plan is None or ws.machine is None:
        host.noop("no toolkit is wanted")
        return
    version, lost = ws.plan.toolkit_version, toolkit.lost(ws.machine, wanted)
    if lost:
        again = StringCommand(APT, "install --reinstall --no-install-recommends", *(QuoteString(name) for name in lost))
        yield ws.as_root(by_cache(ws, again))
        ws.forget()
        version = ws.plan.toolkit_version if ws.plan else None
    if version is None:
        yield ws.as_root(by_cache(ws, _install(wanted)))
        ws.forget()
        version = ws.plan.toolkit_version if ws.plan else None
    if version is None:
        yield helper.fail(
            "the CUDA toolkit was installed but nvcc is not there. Run deploy/facts.py and report what it prints."
        )
        return
    if ws.machine.toolkit.current != version:
        yield ws.as_root(_alternative(version))
        ws.forget()


def _alternative(version: str) -> StringCommand:
    """Lead /usr/local/cuda to a version, also where dpkg's record of the link or the link itself was lost."""
    home, link = f"/usr/local/cuda-{version}", "/usr/local/cuda"
    known = f"update-alternatives --list cuda 2>/dev/null | grep -qx {home}"
    enter = f"update-alternatives --install {link} cuda {home} {PRIORITY}"
    aside = f"if [ -e {link} ] && [ ! -L {link} ]; then mv {link} {link}.moved-aside; fi"
    return StringCommand(f"{aside}; {{ {known} || {enter}; }} && update-alternatives --force --set cuda {home}")


def _install(wanted: Toolkit) -> StringCommand:
    """Install the first version that the repository has, after looking that apt would bring no driver with it."""
    names = " ".join(f"cuda-toolkit-{version.replace('.', '-')}" for version in wanted.versions)
    none = f"NVIDIA's repository has none of {names}. Set cuda_version to one that it has, or to none."
    driver = "apt would install a driver with the CUDA toolkit, so nothing was installed. Remove what asks for it (apt-get -s install shows it)."
    return StringCommand(
        f"pick=; for p in {names}; do if apt-cache show $p >/dev/null 2>&1; then pick=$p; break; fi; done;",
        '[ -n "$pick" ] || { echo', QuoteString(none), ">&2; exit 1; };",
        f"if {APT} -s install --no-install-recommends $pick | grep -E", QuoteString(DRIVERS), "; then echo", QuoteString(driver), ">&2; exit 1; fi;",
        f"{APT} install --no-install-recommends $pick || {{ {APT} --no-remove -f install && {APT} install --no-install-recommends $pick; }}",
    )  # fmt: skip
