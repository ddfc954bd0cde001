"""Lines of people's startup files, and what real shells set."""

from __future__ import annotations

import pwd
from pathlib import Path
from typing import Any

import pytest

from facts.probe import exports

# (text of a startup file, [(line, version)])
FILES: list[tuple[str, list[tuple[int, str | None]]]] = [
    ("export PATH=/usr/local/cuda-12.6/bin${PATH:+:${PATH}}\n", [(1, "12.6")]),
    ("# comment\n\nexport LD_LIBRARY_PATH=/usr/local/cuda-11.8/lib64:$LD_LIBRARY_PATH", [(3, "11.8")]),
    ('  PATH="$PATH:/usr/local/cuda/bin"\nexport PATH\n', [(1, None)]),
    ("export CUDA_HOME=/usr/local/cuda-12\n", [(1, "12")]),
    ("export CUDA_HOME=/usr/local/cuda\n", [(1, None)]),
    ("PATH+=:/usr/local/cuda-12.8/bin\n", [(1, "12.8")]),
    ("# export PATH=/usr/local/cuda-12.6/bin:$PATH\n", []),
    ("export MANPATH=/usr/local/cuda/man\n", []),
    ("alias nvcc=/usr/local/cuda-12.6/bin/nvcc\n", []),
    ("export PATH=$HOME/bin:$PATH\n", []),
    ("export PATH=/opt/cudatext/bin:$PATH\n", []),
    (
        "[ ! -r /etc/profile.d/vllm-workstation-cuda.sh ] || . /etc/profile.d/vllm-workstation-cuda.sh  # vllm-workstation\n",
        [],
    ),
]


@pytest.mark.parametrize(("text", "expected"), FILES)
def test_startup_lines(text: str, expected: list[tuple[int, str | None]]) -> None:
    found = exports.parse_startup(text)
    assert [(line["line"], line["version"]) for line in found] == expected
    assert [line["text"] for line in found] == [text.splitlines()[number - 1].strip() for number, _ in expected]


def home(folder: Path, **files: str) -> str:
    """A home directory with startup files."""
    for name, text in files.items():
        (folder / f".{name}").write_text(text)
    return str(folder)


def startup(folder: Path, text: str) -> str:
    """A startup file."""
    (folder / "startup").write_text(text)
    return str(folder / "startup")


def test_real_bash(tmp_path: Path) -> None:
    script = 'echo welcome\n[ -z "$PS1" ] && return\nexport PATH=/usr/local/cuda-12.8/bin:$PATH\nexport LD_LIBRARY_PATH=/a:/b\n'
    found = exports.shell_environment(startup(tmp_path, script), str(tmp_path))
    assert found["PATH"][0] == "/usr/local/cuda-12.8/bin"
    assert found["LD_LIBRARY_PATH"] == ["/a", "/b"]


def test_empty_variable_has_no_entries(tmp_path: Path) -> None:
    assert exports.shell_environment(startup(tmp_path, ""), str(tmp_path))["LD_LIBRARY_PATH"] == []


def test_the_users_own_files_are_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    home(tmp_path, bashrc=f"touch {mark}\n", bash_profile=f"touch {mark}\n", profile=f"touch {mark}\n")
    exports.shell_environment("/etc/profile", str(tmp_path))
    exports.shell_environment("/etc/bash.bashrc", str(tmp_path))
    assert not mark.exists()


@pytest.mark.parametrize("script", ["exit 3\n", "exec sh -c 'exit 0'\n"])
def test_a_shell_that_leaves_gives_nothing(script: str, tmp_path: Path) -> None:
    assert exports.shell_environment(startup(tmp_path, script), str(tmp_path)) == {}


def test_observe_names_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Entry:
        pw_dir = home(tmp_path, bashrc="export PATH=/usr/local/cuda-12.6/bin:$PATH\n")

    monkeypatch.setattr(pwd, "getpwuid", lambda uid: Entry)
    found: dict[str, Any] = exports.observe({})
    mine = [line for line in found["lines"] if line["file"].startswith(str(tmp_path))]
    assert mine == [
        {
            "file": f"{tmp_path}/.bashrc",
            "line": 1,
            "text": "export PATH=/usr/local/cuda-12.6/bin:$PATH",
            "version": "12.6",
        }
    ]
    assert set(found["login"]) == {"PATH", "LD_LIBRARY_PATH"}
