"""dpkg's database, against dpkg-query on this machine and against recorded lists."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from facts.probe import packages
from tests.unit.recorded import Recording, cases, recordings

STATES = {
    "ii": "install ok installed",
    "hi": "hold ok installed",
    "iU": "install ok unpacked",
    "iF": "install ok half-configured",
    "rc": "deinstall ok config-files",
}
LISTS = recordings("dpkg", "driver_packages") + recordings("dpkg", "states")


def database(dpkg_list: str) -> str:
    """The status file behind the lines of `dpkg -l`."""
    rows = [line.split(None, 4) for line in dpkg_list.splitlines()]
    return "\n\n".join(
        f"Package: {r[1]}\nStatus: {STATES[r[0]]}\nArchitecture: {r[3]}\nVersion: {r[2]}\nDescription: {r[4]}\n Version: no"
        for r in rows
    )


@pytest.mark.parametrize("row", cases(LISTS))
def test_recorded_lists(row: Recording) -> None:
    found = packages.parse_status(database(row.text))
    shown = {line.split()[1]: line.split() for line in row.text.splitlines() if packages.WANTED.match(line.split()[1])}
    assert found == {
        name: {"version": cells[2], "state": STATES[cells[0]].split()[-1]} for name, cells in shown.items()
    }
    toolkits = [
        name.removeprefix("cuda-toolkit-")
        for name in found
        if name.removeprefix("cuda-toolkit-").replace("-", "").isdigit()
    ]
    if "cuda-toolkit-12-8 " in row.text:
        assert toolkits == row.expect["toolkit"]


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="no dpkg here")
def test_this_machine_as_dpkg_query_sees_it() -> None:
    asked = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package}\t${db:Status-Status}\t${Version}\n"],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split("\t") for line in asked.stdout.splitlines()]
    expected = {
        name: {"version": version, "state": state}
        for name, state, version in rows
        if packages.WANTED.match(name) and state != "not-installed"
    }
    assert expected
    assert packages.parse_status(Path("/var/lib/dpkg/status").read_text()) == expected


def test_a_removed_package_is_shown_with_its_state_and_a_purged_one_not() -> None:
    text = (
        database("rc  nvidia-driver-535  535.1  amd64  x") + "\n\nPackage: libcuda1\nStatus: purge ok not-installed\n"
    )
    assert packages.parse_status(text) == {"nvidia-driver-535": {"version": "535.1", "state": "config-files"}}


@pytest.mark.parametrize(
    "name",
    [
        "python3",
        "python3.12",
        "python3.12-dev",
        "python3.10-venv",
        "build-essential",
        "libnuma1",
        "ca-certificates",
        "dbus-user-session",
        "libpam-systemd",
        "cuda-toolkit-12-8",
        "nvidia-driver-535",
        "libnvidia-compute-535",
    ],
)
def test_what_plans_ask_for_is_looked_at(name: str) -> None:
    assert packages.WANTED.match(name)


def test_the_rest_is_not() -> None:
    assert not [
        name for name in ("python3-yaml", "libc6", "docutils", "xserver-xorg-core") if packages.WANTED.match(name)
    ]
