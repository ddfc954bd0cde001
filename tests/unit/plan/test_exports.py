"""The profile file, executed by real shells."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from plan import exports
from tests.unit.machines import RTX_4090, changed, machine

BIN, LIB = "/usr/local/cuda-12.8/bin", "/usr/local/cuda-12.8/lib64"
SHELLS = [name for name in ("sh", "bash", "dash", "zsh") if shutil.which(name)]
# (PATH before, LD_LIBRARY_PATH before, PATH after, LD_LIBRARY_PATH after); None: not set
CASES: list[tuple[str | None, str | None, str, str]] = [
    ("/usr/bin:/bin", None, f"{BIN}:/usr/bin:/bin", LIB),
    ("/usr/bin:/bin", "", f"{BIN}:/usr/bin:/bin", LIB),
    ("", None, BIN, LIB),
    (None, None, BIN, LIB),
    ("/usr/bin", "/opt/lib", f"{BIN}:/usr/bin", f"{LIB}:/opt/lib"),
    (f"/usr/bin:{BIN}", f"/a:{LIB}:/b", f"/usr/bin:{BIN}", f"/a:{LIB}:/b"),
    (f"{BIN}-old:/usr/bin", f"{LIB}/stubs", f"{BIN}:{BIN}-old:/usr/bin", f"{LIB}:{LIB}/stubs"),
    ("/usr/bin:/with space/*", "/a b", f"{BIN}:/usr/bin:/with space/*", f"{LIB}:/a b"),
]
SHOW = '\nprintf \'%s\\n%s\\n\' "$PATH" "$LD_LIBRARY_PATH"\n'


def ran(
    shell: str, folder: Path, before: tuple[str | None, str | None], options: str = "", times: int = 1
) -> list[str]:
    """PATH and LD_LIBRARY_PATH after sourcing the file."""
    profile = folder / "profile.sh"
    profile.write_text(exports.content("12.8"))
    sets = "".join(
        f"unset {n}\n" if v is None else f"{n}='{v}'\n"
        for n, v in zip(("PATH", "LD_LIBRARY_PATH"), before, strict=True)
    )
    script = f"set {options or '+u'}\n{sets}" + f". '{profile}'\n" * times + SHOW
    done = subprocess.run(
        [str(shutil.which(shell)), "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("options", ["", "-u", "-eu"])
@pytest.mark.parametrize(("path", "libraries", "path_after", "libraries_after"), CASES)
def test_each_directory_once_in_front(
    shell: str,
    options: str,
    path: str | None,
    libraries: str | None,
    path_after: str,
    libraries_after: str,
    tmp_path: Path,
) -> None:
    assert ran(shell, tmp_path, (path, libraries), options) == [path_after, libraries_after]


@pytest.mark.parametrize("shell", SHELLS)
def test_sourced_again_it_changes_nothing(shell: str, tmp_path: Path) -> None:
    assert ran(shell, tmp_path, ("/usr/bin", None), "-u", times=3) == [f"{BIN}:/usr/bin", LIB]


def test_it_is_exported(tmp_path: Path) -> None:
    (tmp_path / "p").write_text(exports.content("13.0"))
    done = subprocess.run(
        ["sh", "-c", f". {tmp_path}/p; env"], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"}
    )
    assert "PATH=/usr/local/cuda-13.0/bin:/usr/bin:/bin" in done.stdout.splitlines()
    assert "LD_LIBRARY_PATH=/usr/local/cuda-13.0/lib64" in done.stdout.splitlines()


@pytest.mark.parametrize("there", [True, False])
def test_the_hook_is_quiet_and_right_with_and_without_the_file(there: bool, tmp_path: Path) -> None:
    profile = tmp_path / "profile.sh"
    if there:
        profile.write_text("SOURCED=yes\n")
    script = f"set -eu\n{exports.HOOK.replace(exports.PROFILE, str(profile))}\necho ${{SOURCED:-no}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("yes\n" if there else "no\n", "")


def test_notes_name_file_line_and_text_of_other_toolkits() -> None:
    lines = [{"file": "/home/ops/.bashrc", "line": 7, "text": "export PATH=/usr/local/cuda-11.8/bin:$PATH", "version": "11.8"},
             {"file": "/home/ops/.profile", "line": 2, "text": "export PATH=/usr/local/cuda-12.8/bin:$PATH", "version": "12.8"}]  # fmt: skip
    (note,) = exports.notes(changed(machine(RTX_4090), "exports", lines=lines), "12.8")
    assert note.code == "OWN-EXPORT"
    assert note.message.startswith(
        "/home/ops/.bashrc line 7 puts another CUDA in the shell: 'export PATH=/usr/local/cuda-11.8/bin:$PATH'."
    )


def test_a_line_for_usr_local_cuda_is_no_other_toolkit() -> None:
    lines = [{"file": "/home/ops/.bashrc", "line": 1, "text": "export PATH=/usr/local/cuda/bin:$PATH", "version": None}]
    assert exports.notes(changed(machine(RTX_4090), "exports", lines=lines), "12.8") == []
