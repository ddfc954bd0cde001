"""What must not hold the check up, lead it out of the venv, or pass as sound."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from facts.probe import libraries, records, shell

SITE = "lib/python3.11/site-packages"


def venv(root: Path, record: str) -> Path:
    """A venv with one distribution and this RECORD."""
    info = root / SITE / "torch-2.6.0.dist-info"
    info.mkdir(parents=True)
    (root / "bin").mkdir()
    (root / "bin/python").symlink_to("/usr/bin/python3")
    (root / "pyvenv.cfg").write_text("version = 3.11.2\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.6.0\n")
    (info / "WHEEL").touch()
    (info / "RECORD").write_text(record)
    return root


def test_a_pipe_in_a_files_place_is_other_bytes_and_holds_nobody_up(tmp_path: Path) -> None:
    where = venv(tmp_path / "v", "torch/ff,sha256=AAAA,0\n")
    (where / SITE / "torch").mkdir()
    os.mkfifo(where / SITE / "torch/ff")
    found = libraries.check(str(where), hashes=True)["findings"]
    assert "HASH" in {one["code"] for one in found}
    assert shell.read(str(where / SITE / "torch/ff")) is None


def test_rows_that_lead_out_of_the_venv_are_left_out() -> None:
    text = "../../../../dev/zero,sha256=A,\n../../../bin/uv,sha256=A,3\n/etc/passwd,sha256=A,1\nx,sha256=A,²\n"
    assert [(row.path, row.size) for row in records.rows(text)] == [("../../../bin/uv", 3), ("x", None)]


def test_a_stage_that_did_not_end_is_told_and_not_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    where = venv(tmp_path / "v", "")

    def fails(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(records, "check", fails)
    assert libraries.check(str(where))["failed"] == ["records"]
    assert libraries.run(["--venv", str(where)]) != 0
    assert "records: MemoryError" in capsys.readouterr().err
