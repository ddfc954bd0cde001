"""What apt says that it would download, asked with the command that runs on the target."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from facts.archives import Archives

APT = """#!/bin/sh
printf '%s\\n' "$*" >>"$LOG"
case "$*" in
  *missing*) echo "E: Unable to locate package missing"; exit 100 ;;
  *nothing*) exit 0 ;;
esac
echo "'http://mirror.lab/g%2b%2b_1_amd64.deb' g++_1_amd64.deb 1000 SHA256:aa"
echo "'http://mirror.lab/make_1_amd64.deb' make_1_amd64.deb 234 SHA256:bb"
"""

CASES = [
    ("g++ make", 1234, 1), ("nothing", 0, 1), ("missing", None, 1), ("missing;g++", 1234, 2), ("missing;missing", None, 2), ("g++;make", 1234, 1),
]  # fmt: skip


@pytest.mark.parametrize(("choices", "size", "times"), CASES)
def test_the_first_choice_that_apt_knows(tmp_path: Path, choices: str, size: int | None, times: int) -> None:
    (tmp_path / "apt-get").write_text(APT)
    (tmp_path / "apt-get").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "LOG": str(tmp_path / "log")}
    command = Archives().command(choices).get_raw_value()
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=True)
    output = done.stdout.splitlines()
    assert (Archives().process(output) if output else Archives.default()) == size
    asked = (tmp_path / "log").read_text().splitlines()
    assert len(asked) == times and all("--print-uris install --no-install-recommends" in line for line in asked)


def test_without_apt() -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", Archives().command("x").get_raw_value()],
        env={"PATH": "/nonexistent"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "")
