"""The pieces of report.html: bars, numbers, times, names."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from plan.report import Memory, Part
from plan.toml import table
from tasks import page
from tests.unit.tasks import reports
from tests.unit.tasks.parsed import Page


def drawn(segments: list[page.Segment]) -> list[tuple[str, float]]:
    """Names and GiB, after a look at their places."""
    for before, after in pairwise(segments):
        assert after.x == pytest.approx(before.x + before.width) and after.number == before.number + 1
    assert all(one.width > 0 and one.x + one.width <= 100.001 for one in segments)
    return [(one.name, round(one.gib, 3)) for one in segments]


def test_the_bars_of_a_card_that_holds_a_part() -> None:
    found = page.bars(reports.PLAN_12, 12.0)
    parts = [
        ("context", 0.8),
        ("weights", 8.882),
        ("activations", 0.417),
        ("graphs", 0.047),
        ("kv", 0.454),
        ("reserve", 0.4),
    ]
    assert drawn(found.card) == [("used", 1.0), *parts]  # 11.0 of 11.0 GiB: nothing is left
    assert drawn(found.host) == [("offloaded", 4.789)] and found.host_gib == 4.789 and found.over == 0
    assert found.host[0].number == 8 and found.host[0].width == pytest.approx(100 * 4.789 / 12)  # one scale
    assert [one.name for one in found.card if one.labelled] == ["used", "context", "weights"]


def test_the_bars_of_a_card_with_room_and_of_one_without() -> None:
    assert drawn(page.bars(reports.PLAN_24, 23.99).card)[-1] == ("free", 0.51)
    assert drawn(page.bars(reports.PLAN_24, None).card)[0] == ("context", 0.5)  # nothing is said of the rest
    short = page.bars(reports.PLAN_8, 8.0)
    assert short.over == pytest.approx(0.2) and "free" not in dict(drawn(short.card))
    assert short.host[0].width == pytest.approx(100)  # the host's part is the longer bar here


def test_a_plan_of_nothing() -> None:
    empty = page.bars(Memory(free_gib=0, parts=[]), None)
    assert (empty.card, empty.host, empty.over) == ([], [], 0)
    odd = Memory(free_gib=2, parts=[Part(name="kv", gib=0), Part(name="weights", gib=1)])
    assert drawn(page.bars(odd, 1.0).card) == [
        ("weights", 1.0),
        ("free", 1.0),
    ]  # more free than there is: never below 0
    assert "0.20 GiB more than was free" in Page(page.html(reports.report(reports.refused()))).text("en")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (18642, "18,642"),
        (8, "8"),
        (94.71, "94.7"),
        (178.2, "178"),
        (0.414, "0.41"),
        (5.0, "5.00"),
        (1234.5, "1,234"),
    ],
)
def test_a_number(value: float, text: str) -> None:
    assert page.number(value) == text


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("2026-11-23T07:52:10Z", "2026-11-23 07:52 UTC"),
        ("2026-11-23T15:52:10+08:00", "2026-11-23 07:52 UTC"),
        ("2026-11-23T07:52:10", "2026-11-23 07:52 UTC"),
        ("<yesterday>", "<yesterday>"),
    ],
)
def test_a_time(given: str, shown: str) -> None:
    assert Page(str(page.moment(given))).text() == shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [("NVIDIA GeForce RTX 3060", "RTX 3060"), ("NVIDIA H200", "H200"), ("NVIDIA ", "NVIDIA "), ("RTX", "RTX")],
)
def test_a_card_in_a_row(given: str, shown: str) -> None:
    assert page.short(given) == shown


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_numbers_in_the_bars_can_be_read() -> None:
    """axe skips texts of one character. The bars have the same colours in both schemes."""
    css = (page.TEMPLATES / "report.css").read_text(encoding="utf-8")
    fills = dict(re.findall(r"\.fill-(\w+) \{ fill: (#\w{6});", css))
    (ink,) = re.findall(r"svg text \{[^}]*fill: (#\w{6})", css)
    assert set(fills) == set(table("words")["part"])
    for name, fill in fills.items():
        assert (luminance(fill) + 0.05) / (luminance(ink) + 0.05) >= 7, name
