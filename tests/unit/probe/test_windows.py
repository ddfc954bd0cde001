"""Windows' own settings, however Windows' programs have written them."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

import pytest

from facts.probe import windows

TEXT = "[wsl2]\r\nmemory=8GB # 記憶體\r\n"


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),  # PowerShell's >
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
    ],
    ids=["utf-8", "utf-8 with a mark", "utf-16", "utf-16 big endian"],
)
def test_a_mark_tells_the_encoding(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann/.wslconfig").write_bytes(data)
    assert windows.wslconfig(str(tmp_path / "*/.wslconfig")) == TEXT


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe", b"\xff\xfea", b"\xfe\xff\xd8", b"\xff\xfe\x00\xd8", b"\xa4\xa4[wsl2]"]
)
def test_any_bytes_are_a_text(data: bytes) -> None:
    assert isinstance(windows.text(data), str) and "\ufeff" not in windows.text(data)


def test_the_one_file_of_one_user(tmp_path: Path) -> None:
    pattern = str(tmp_path / "*/.wslconfig")
    assert windows.wslconfig(pattern) is None
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe/.wslconfig")
    assert windows.wslconfig(pattern) is None
    for name in ("ann", "bob"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".wslconfig").write_text("")
    assert windows.wslconfig(pattern) is None
