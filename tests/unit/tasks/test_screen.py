"""The doctor in a terminal: one screen a host, and nothing in it that a terminal or rich would obey."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from plan.findings import tell
from plan.report import Advice, Report, Words
from tasks import screen
from tests.unit.tasks import reports


def shown(report: Report, width: int = 80) -> str:
    """What a terminal of that width gets, without colours."""
    out = io.StringIO()
    screen.show(report, Console(file=out, width=width, color_system=None, force_terminal=False))
    return out.getvalue()


@pytest.mark.parametrize("example", reports.EXAMPLES, ids=lambda one: str(one.__name__))
@pytest.mark.parametrize("width", [40, 80, 200])
def test_every_host_fits_a_screen(example: object, width: int) -> None:
    host = example()  # type: ignore[operator]
    text = shown(reports.report(host), width)
    assert host.name in text and max(len(line) for line in text.splitlines()) <= width
    assert width < 80 or len(text.splitlines()) <= 40
    if host.primary:
        assert host.primary.code in text and "fix" in text and "risk" in text


def test_many_long_findings_fit_a_screen() -> None:
    """Seven findings of a thousand characters and four pieces of advice: what a person must do is still there."""
    long = "x" * 300 + " and 192 words\n" * 50
    found = [
        tell(code, long, fix="Close what uses the card")
        for code in ("VRAM", "PORT", "DISK", "KEY", "UNIT", "LINGER", "EXPORTS")
    ]
    advice = [Advice(code=f"WSL-{n}", text=Words(en=long, zh=long)) for n in range(4)]
    host = reports.port_taken().model_copy(update={"primary": found[0], "others": found[1:], "advice": advice})
    text = shown(reports.report(host))
    assert len(text.splitlines()) <= 40 and text.count("-> ") == 2, text
    assert (
        all(one.code in text for one in found[:6]) and all(one.code in text for one in advice) and "and 1 more" in text
    )


def test_healthy_hosts_of_a_lab_get_a_line_each() -> None:
    report = reports.lab(50)
    text = shown(report, 200)
    healthy = [host for host in report.hosts if host.state == "healthy"]
    assert healthy and all(any(line.startswith(host.name) for line in text.splitlines()) for host in healthy)
    assert text.splitlines()[-1].startswith("50 hosts: ")


def test_evil_words_stay_words() -> None:
    evil = "[bold]x[/] [/nothing] \x1b[2J\x1b]0;title\x07 \u202e\r\nnext"
    found = tell("PORT", evil)
    host = reports.port_taken().model_copy(update={"primary": found, "name": "[red]pc"})
    text = shown(reports.report(host))
    assert "[bold]x[/]" in text and "[red]pc" in text
    assert not any(mark in text for mark in ("\x1b", "\x07", "\r", "\u202e"))
