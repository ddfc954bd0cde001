"""nvcc's version and dpkg's record of alternatives."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from facts.probe import toolkit
from tests.unit.recorded import Recording, cases, recordings

ALTERNATIVES = sorted(path.name for path in Path("/var/lib/dpkg/alternatives").glob("*"))[:40]


@pytest.mark.parametrize("row", cases([row for row in recordings("cuda") if row.file.startswith("cuda/nvcc")]))
def test_nvcc(row: Recording) -> None:
    assert toolkit.parse_nvcc(row.text) == row.expect["version"]


@pytest.mark.parametrize(
    ("text", "version"),
    [("Cuda compilation tools, release 11.0\n", "11.0"), ("bash: nvcc: command not found\n", None), ("", None)],
)
def test_nvcc_that_says_less(text: str, version: str | None) -> None:
    assert toolkit.parse_nvcc(text) == version


@pytest.mark.skipif(not ALTERNATIVES, reason="no dpkg here, so no real records of alternatives")
@pytest.mark.parametrize("name", ALTERNATIVES)
def test_alternatives_as_dpkg_itself_reads_its_record(name: str) -> None:
    asked = subprocess.run(
        ["update-alternatives", "--query", name],
        capture_output=True,
        text=True,
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
        check=True,
    )
    fields = dict(line.split(": ", 1) for line in asked.stdout.split("\n\n")[0].splitlines() if ": " in line)
    found = toolkit.parse_alternatives((Path("/var/lib/dpkg/alternatives") / name).read_text())
    assert found == {"mode": fields["Status"], "link": fields["Link"]}


def test_alternatives_of_nothing() -> None:
    assert toolkit.parse_alternatives("") == {"mode": None, "link": None}
