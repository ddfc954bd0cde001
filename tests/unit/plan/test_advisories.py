"""Which advisories are told of a version."""

from __future__ import annotations

import re

import pytest
from packaging.version import Version

from plan import advisories, release

KNOWN = advisories.known()
KEY, GIANT_HEADER, REGEX = "CVE-2026-48746", "CVE-2025-48956", "CVE-2026-55574"
COUNTS = {"0.10.1+gptoss": 10, "0.19.1": 7, "0.24.0": 4, "0.31.0": 0, "0.32.0": 0, "0.33.0": 0}


def ids(version: str, exposed: bool = True, other_model: bool = False) -> list[str]:
    """What is told, by id."""
    return [one.id for one in advisories.applying(Version(version), exposed, other_model)]


@pytest.mark.parametrize("row", KNOWN, ids=lambda row: row.id)
def test_rows(row: advisories.Advisory) -> None:
    assert re.fullmatch(r"(CVE-\d{4}-\d{4,7}|GHSA(-\w{4}){3})", row.id)
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", row.date) and row.source
    assert row.fixed is None or Version(row.since) < Version(row.fixed)
    for words in (row.applies, row.text):
        assert words and words[0].islower() and not words.endswith(".")


def test_no_advisory_is_there_twice() -> None:
    assert len({row.id for row in KNOWN}) == len(KNOWN)


@pytest.mark.parametrize(("version", "count"), COUNTS.items())
def test_how_many_an_exposed_server_has(version: str, count: int) -> None:
    assert len(ids(version)) == count


def test_a_hole_begins_and_ends_where_its_row_says() -> None:
    assert GIANT_HEADER in ids("0.10.1") and GIANT_HEADER not in ids("0.10.1.1")
    assert REGEX in ids("0.23.0") and REGEX not in ids("0.24.0")
    assert "CVE-2026-73559" not in ids("0.18.1") and "CVE-2026-73559" in ids("0.19.0")


def test_a_local_build_counts_as_its_public_version() -> None:
    assert ids("0.10.1+gptoss") == ids("0.10.1")
    assert ids("0.24.0+cu129") == ids("0.24.0")
    assert ids("0.32.0+cpu") == ids("0.32.0")


def test_who_cannot_be_reached_has_none_while_the_model_is_openais() -> None:
    for row in release.catalogue():
        assert advisories.applying(row.version, exposed=False) == []
    assert ids("0.13.0", exposed=False, other_model=True) == ["CVE-2026-22807", "CVE-2026-27893"]


def test_the_severest_comes_first() -> None:
    found = [one.severity for one in advisories.applying(Version("0.10.1"), True, True)]
    assert found == sorted(found, key=advisories.ORDER.index) and found[0] == "critical"
    assert ids("0.10.1")[0] == KEY


def test_the_sentence() -> None:
    (row,) = (one for one in KNOWN if one.id == REGEX)
    assert str(row) == (
        "CVE-2026-55574 (high): one request with a regular expression for its answer hangs the engine. "
        "It matters when others reach the port and have the key, or there is none; fixed in 0.24.0."
    )
    assert str(row.model_copy(update={"fixed": None})).endswith("or there is none.")
