"""Which WSL a kernel is, and what wsl.conf says."""

from __future__ import annotations

import pytest

from facts.probe import wsl
from tests.unit.recorded import Recording, cases, recordings

KERNELS = [row for row in recordings("kernel", "wsl", "kernel") if "uname" not in row.file]
# (osrelease, /proc/version, interop, /dev/dxg, version): WSL's own kernels as issues of microsoft/WSL name them, and kernels that users built.
RELEASES = [
    (
        "5.15.153.1-microsoft-standard-WSL2",
        "Linux version 5.15.153.1-microsoft-standard-WSL2 (root@941d701f84f1)",
        True,
        True,
        2,
    ),
    ("6.6.87.2-microsoft-standard-WSL2", "", False, False, 2),
    ("4.19.128-microsoft-standard", "", True, False, 2),
    (
        "4.4.0-19041-Microsoft",
        "Linux version 4.4.0-19041-Microsoft (Microsoft@Microsoft.com) (gcc version 5.4.0)",
        True,
        False,
        1,
    ),
    ("4.4.0", "Linux version 4.4.0 (Microsoft@Microsoft.com)", True, False, 1),
    ("6.1.21.2-WSL2-custom", "", True, True, 2),
    ("6.9.0-mine", "Linux version 6.9.0-mine (me@box)", True, True, 2),
    ("6.9.0-mine", "Linux version 6.9.0-mine (me@box)", True, False, 0),
    ("6.9.0-mine", "Linux version 6.9.0-mine (me@box)", False, True, 0),
    ("6.8.0-1017-azure", "Linux version 6.8.0-1017-azure (buildd@lcy02)", False, False, 0),
]
# (text, systemd as read)
CONFS = [
    ("", None),
    ("[boot]\nsystemd=true\n", "true"),
    ("[boot]\r\nsystemd=true\r\n", "true"),
    ("\ufeff[boot]\nsystemd = True # yes\n", "True"),
    ('[ Boot ]\n SystemD = "false" ; no\n', "false"),
    ("# [boot]\n#systemd=true\n", None),
    ("[boot]\n;systemd=true\ncommand=service docker start\n", None),
    ("[automount]\nsystemd=true\n", None),
    ("[boot] # ours\nsystemd=false\nsystemd=true", "true"),
    ("[boot]\ncommand=a=b\n[user]\ndefault=ops\n[boot]\nsystemd=true\n", "true"),
]


@pytest.mark.parametrize("row", cases(KERNELS))
def test_recorded_kernels(row: Recording) -> None:
    text = row.text.strip()
    osrelease, version = (text, "") if "osrelease" in row.file else (row.expect["kernel"], text)
    assert wsl.wsl_version(osrelease, version, False, False) == row.expect["wsl"]
    assert row.expect["kernel"].startswith(str(wsl.kernel(osrelease)) + "-")


@pytest.mark.parametrize(("osrelease", "version", "interop", "dxg", "expected"), RELEASES)
def test_known_kernels(osrelease: str, version: str, interop: bool, dxg: bool, expected: int) -> None:
    assert wsl.wsl_version(osrelease, version, interop, dxg) == expected


@pytest.mark.parametrize(
    ("osrelease", "expected"),
    [("5.15.153.1-microsoft-standard-WSL2", "5.15.153.1"), ("6.8.0-57-generic", "6.8.0"), ("", None), ("x", None)],
)
def test_kernel(osrelease: str, expected: str | None) -> None:
    assert wsl.kernel(osrelease) == expected


@pytest.mark.parametrize(("text", "systemd"), CONFS)
def test_conf(text: str, systemd: str | None) -> None:
    assert wsl.parse_conf(text).get("boot", {}).get("systemd") == systemd


def test_conf_keeps_values_with_equals_signs_and_other_sections() -> None:
    assert wsl.parse_conf(CONFS[-1][0]) == {"boot": {"command": "a=b", "systemd": "true"}, "user": {"default": "ops"}}
