"""Processes that nothing supervises, files of another user, and lines that others wrote."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from facts.probe import exports, owner, packages, processes, toolkit
from tasks.remote import common, orphans

ROOT = "/home/ops/.local/share/vllm-workstation"


@pytest.fixture
def spawn() -> Iterator[object]:
    """Starts processes with an environment, and ends them."""
    made: list[subprocess.Popen[bytes]] = []

    def start(code: str = "import time; time.sleep(60)", **env: str) -> subprocess.Popen[bytes]:
        made.append(subprocess.Popen([sys.executable, "-c", code, "vllm"], env=env, stdout=subprocess.PIPE))
        for _ in range(100):
            if processes.environment(made[-1].pid) == env:
                break
            time.sleep(0.02)
        return made[-1]

    yield start
    for process in made:
        process.kill()
        process.wait()


def pids(root: str = ROOT, supervisor: int | None = None) -> set[int]:
    return {one["pid"] for one in processes.orphans(root, "no-such.service", supervisor)}


def test_only_processes_of_this_installation_count(spawn) -> None:  # type: ignore[no-untyped-def]
    ours = spawn(VLLM_WORKSTATION_SPEC="a", PATH=f"{ROOT}/current/bin:/bin")
    others = [
        spawn(VLLM_WORKSTATION_SPEC="a", PATH="/home/ops/other-root/current/bin:/bin"),
        spawn(VLLM_WORKSTATION_SPEC="a", PATH=f"{ROOT}/current/bin2:/bin"),
        spawn(PATH=f"{ROOT}/current/bin:/bin"),
    ]
    assert ours.pid in pids() and not {other.pid for other in others} & pids()
    shell = spawn(VLLM_WORKSTATION_SPEC="a", PATH=f"{ROOT}/current/bin:/bin", TITLE="no")
    assert os.getpid() not in pids() and shell.pid in pids()  # what runs us never counts
    assert ours.pid not in pids(supervisor=os.getpid())  # our child: supervised


def test_they_end_even_if_they_do_not_want_to(spawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(orphans, "PATIENCE", 1)
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    env = {"VLLM_WORKSTATION_SPEC": "a", "PATH": f"{tmp_path}/current/bin"}
    both = [spawn(**env), spawn(stubborn, **env)]
    both[1].stdout.read(1)
    orphans.end(str(tmp_path), "no-such.service")
    assert [process.wait(timeout=10) for process in both] == [-15, -9]
    orphans.end(str(tmp_path), "no-such.service")


def test_one_that_stays_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(orphans, "PATIENCE", 0)
    monkeypatch.setattr(orphans, "_orphans", lambda *_: [{"pid": 2**22 + 1, "command": "VLLM::EngineCore"}])
    with pytest.raises(common.Failure, match=r"4194305 \(VLLM::EngineCore\)\. Restart the machine"):
        orphans.end(str(tmp_path), "u")


def test_files_of_another_user(tmp_path: Path) -> None:
    (tmp_path / "a/b/c/d").mkdir(parents=True)
    (tmp_path / "link").symlink_to("/etc")
    found = owner.below(str(tmp_path))
    assert str(tmp_path / "a/b/c") in found and str(tmp_path / "a/b/c/d") not in found
    assert str(tmp_path / "link") in found and not any(path.startswith(f"{tmp_path}/link/") for path in found)
    assert owner.foreign(found, os.geteuid()) == [] and owner.foreign(found, 12345) == found
    assert owner.foreign(["/no/such/path"], 12345) == []


LINES = [
    ("export LD_LIBRARY_PATH=/usr/local/cuda-11.8/lib64:$LD_LIBRARY_PATH", "/usr/local/cuda-11.8/lib64"),
    ('LD_LIBRARY_PATH="$HOME/lib:/opt/x"; export LD_LIBRARY_PATH', "/home/ops/lib:/opt/x"),
    ("# export LD_LIBRARY_PATH=/old", ""),
    ("LD_LIBRARY_PATH=~/lib", "/home/ops/lib"),
    ("export LD_LIBRARY_PATH=$CUDA/lib64", ""),
    ("export PATH=/usr/local/cuda/bin:$PATH", ""),
    ("export LD_LIBRARY_PATH=/a # why\nexport LD_LIBRARY_PATH=/b:/a", "/a:/b"),
]


@pytest.mark.parametrize(("text", "path"), LINES)
def test_library_path_of_startup_files(text: str, path: str) -> None:
    assert exports.library_path([text], "/home/ops") == path


def test_lines_for_the_loader() -> None:
    text = "# /usr/local/cuda-11.0/lib64\n/usr/local/cuda-11.8/lib64\n/usr/local/cuda/targets\n/usr/local/cuda-12/lib\n"
    assert exports.parse_loader(text) == [{"line": 2, "text": "/usr/local/cuda-11.8/lib64", "version": "11.8"}]


def test_packages_that_dpkg_left_halfway() -> None:
    blocks = [
        ("gcc", "install ok installed"),
        ("cuda-nvcc-12-8", "install ok unpacked"),
        ("x", "install reinstreq half-installed"),
    ]
    text = "\n\n".join(f"Package: {name}\nStatus: {status}\nVersion: 1" for name, status in blocks)
    assert packages.halfway(text) == ["cuda-nvcc-12-8"]  # x is none of ours
    assert packages.halfway("") == [] and packages.halfway("Package: a\nStatus: deinstall ok config-files") == []


def test_files_of_the_toolkit_that_are_gone(tmp_path: Path) -> None:
    (tmp_path / "cuda-nvcc-12-8.list").write_text("/.\n/usr/local/cuda-0.0/bin/nvcc\n/usr/share/doc/x\n")
    (tmp_path / "libcublas-dev-12-8:amd64.list").write_text(
        "/usr/local/cuda-0.0/include/a.h\n/usr/local/cuda-0.0/include/b.h\n"
    )
    (tmp_path / "gcc-12.list").write_text("/usr/local/cuda-0.0/x\n")
    names = toolkit.packages(str(tmp_path))
    assert names == ["cuda-nvcc-12-8", "libcublas-dev-12-8"]
    assert toolkit.lost(names, str(tmp_path)) == {"cuda-nvcc-12-8": 1, "libcublas-dev-12-8": 2}
