"""The archive that goes to the target, and the commands around it, executed by a real sh."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from tasks import helper, plugin
from tests.unit.tasks import remote

CONTENTS = [
    b"",
    b"plain\n",
    b"no newline",
    bytes(range(256)),
    b"'\"$(id) `id` \\n %s %d\n",
    "é\u2028\n".encode(),
    b"x" * 60_000,
]


def sh(command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command line as pyinfra would."""
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=cwd, timeout=60)


def test_same_sources_same_bytes() -> None:
    first = helper.archive()
    helper.archive.cache_clear()
    assert helper.archive() == first
    assert helper.digest() == hashlib.sha256(first).hexdigest() == helper.sha256(first)


def test_archive_holds_every_module_and_the_locked_tools_and_the_plugin() -> None:
    names = set(zipfile.ZipFile(io.BytesIO(helper.archive())).namelist())
    assert names == {
        "__main__.py",
        "remote/tools.txt",
        f"remote/{plugin.file_name()}",
        *(f"remote/{path.name}" for path in (helper.HERE / "remote").glob("*.py")),
        *(f"probe/{path.name}" for path in (helper.HERE.parent / "facts" / "probe").glob("*.py")),
    }


@pytest.mark.parametrize("size", [0, 1, helper.PIECE * 3 // 4, helper.PIECE * 3 // 4 + 1, 200_000])
def test_a_long_file_is_delivered_in_pieces(size: int, tmp_path: Path) -> None:
    content, path = os.urandom(size), tmp_path / "li b" / "helper.pyz"
    commands = [command.get_raw_value() for command in helper.deliver(str(path), content, "600")]
    assert all(len(command) < 128 * 1024 for command in commands)
    for command in commands:
        assert not path.exists() and sh(command).returncode == 0
    assert path.read_bytes() == content and path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(path.parent) == ["helper.pyz"]


def test_a_piece_that_is_lost_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "helper.pyz"
    path.write_text("old")
    first, _, *rest = helper.deliver(str(path), os.urandom(200_000), "600")
    done = [sh(command.get_raw_value()).returncode for command in (first, *rest)]
    assert done[-1] != 0 and path.read_text() == "old"


@pytest.mark.parametrize("content", CONTENTS, ids=range(len(CONTENTS)))
def test_write(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "new dir" / 'it\'s $x "q" é'
    done = sh(helper.write(str(path), content, "640").get_raw_value())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert path.read_bytes() == content and path.stat().st_mode & 0o777 == 0o640
    assert len(os.listdir(path.parent)) == 1


def test_write_replaces_a_link_not_what_it_points_at(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("keep")
    (tmp_path / "f").symlink_to("target")
    assert sh(helper.write(str(tmp_path / "f"), b"new", "600").get_raw_value()).returncode == 0
    assert ((tmp_path / "target").read_text(), (tmp_path / "f").read_text(), (tmp_path / "f").is_symlink()) == (
        "keep",
        "new",
        False,
    )


def test_write_does_not_go_into_a_directory_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    assert sh(helper.write(str(tmp_path / "f"), b"new", "600").get_raw_value()).returncode != 0
    assert list((tmp_path / "f").iterdir()) == []


def test_a_write_that_fails_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    command = helper.write(str(path), b"new", "600").get_raw_value().replace("base64 -d", "false")
    assert sh(command).returncode != 0
    assert path.read_text() == "old"


def test_fail(tmp_path: Path) -> None:
    done = sh(helper.fail('it\'s 100% "broken": $HOME\nsecond line').get_raw_value())
    assert (done.returncode, done.stdout, done.stderr) == (1, "", 'it\'s 100% "broken": $HOME\nsecond line\n')


def test_a_command_reaches_the_helper_word_by_word(tmp_path: Path) -> None:
    root = tmp_path / "ro ot's"
    path = remote.install(root)
    path.write_bytes(b"")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("__main__.py", "import json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    done = sh(helper.command(str(root), "build", str(root), {"b": "it's", "a": [1, None]}, "").get_raw_value())
    assert json.loads(done.stdout) == ["build", str(root), '{"a": [1, null], "b": "it\'s"}', ""]
    done = sh(helper.job(str(root), "weights", "/x/python", "weights", {"k": 1}).get_raw_value())
    assert json.loads(done.stdout) == ["job-start", str(root), "weights", "/x/python", str(path), "weights", '{"k": 1}']


def test_a_failure_is_one_sentence_and_status_one(tmp_path: Path) -> None:
    remote.install(tmp_path)
    done = sh(helper.command(str(tmp_path), "switch", str(tmp_path), "x").get_raw_value())
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        "release x is not complete. Run deploy/full.py again.\n",
    )


def test_defaults_and_tools_digest() -> None:
    assert b"class ReasoningEffort" in helper.defaults()
    assert helper.tools_digest() == hashlib.sha256(helper.TOOLS.read_bytes()).hexdigest()[:16]
