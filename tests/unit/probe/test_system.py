"""Operating system, processor, memory and disk, against recordings and against `distro`."""

from __future__ import annotations

import os
from pathlib import Path

import distro
import pytest

from facts.probe import system
from tests.unit.recorded import Recording, cases, recordings

CPU = [row for row in recordings("cpu") if row.file.startswith("cpu/cpuinfo")]
MEMORY = [row for row in recordings("memory") if row.file.startswith("memory/meminfo")]


@pytest.mark.parametrize("row", cases(recordings("os-release")))
def test_os_release(row: Recording) -> None:
    found = system.parse_os_release(row.text)
    assert {key: found[key] or "" for key in row.expect} == row.expect


@pytest.mark.parametrize("row", cases(recordings("os-release")))
def test_os_release_as_distro_reads_it(row: Recording, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "os-release").write_text(row.text)
    theirs = distro.LinuxDistribution(include_lsb=False, include_uname=False, root_dir=str(tmp_path))
    found = system.parse_os_release(row.text)
    assert found["id"] == theirs.os_release_attr("id").lower()
    assert (found["version_id"] or "") == theirs.os_release_attr("version_id")
    assert (found["codename"] or "") == (
        theirs.os_release_attr("version_codename") or theirs.os_release_attr("ubuntu_codename")
    )
    assert found["name"] == theirs.os_release_attr("pretty_name")


@pytest.mark.parametrize("row", cases(CPU))
def test_cpu_flags(row: Recording) -> None:
    found = system.parse_cpu_flags(row.text)
    named = {"avx": "avx", "avx2": "avx2", "avx512f": "avx512f", "amx": "amx_tile"}
    assert {key: named[key] in found for key in row.expect if key in named} == {
        key: value for key, value in row.expect.items() if key in named
    }
    assert found == [flag for flag in system.CPU_FLAGS if flag in found]


@pytest.mark.parametrize("row", cases(MEMORY))
def test_meminfo(row: Recording) -> None:
    found = system.parse_meminfo(row.text)
    expected = {
        key.replace("swap_total_kib", "swap_kib").replace("_kib", "_mib"): value // 1024
        for key, value in row.expect.items()
    }
    assert {key: found[key] for key in expected} == expected


def test_meminfo_that_says_nothing() -> None:
    assert system.parse_meminfo("") == {"total_mib": None, "available_mib": None, "swap_mib": None}


def test_disk_of_a_directory_that_is_not_there_yet(tmp_path: Path) -> None:
    stat = os.statvfs(tmp_path)
    found = system.disk(str(tmp_path / "a" / "b"))
    assert found["total_bytes"] == stat.f_blocks * stat.f_frsize
    assert 0 < found["free_bytes"] <= found["total_bytes"]


def test_container_names_only_what_systemd_or_the_manager_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    there = {"/.dockerenv": "docker", "/run/.containerenv": "podman"}
    for path, name in there.items():
        monkeypatch.setattr(os.path, "exists", lambda asked, only=path: asked == only)
        assert system.container() == name
