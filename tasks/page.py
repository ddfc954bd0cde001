"""report.html: one offline page of a whole lab, in English and Traditional Chinese."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from plan.report import HostReport, Memory, Report, State, Vulnerability, Words
from plan.toml import table

TEMPLATES = Path(__file__).parent / "templates"
ZH = "zh-Hant-TW"
ORDER: tuple[State, ...] = ("person", "unreachable", "rerun", "healthy")
LABELLED = 5.5  # percent of a bar from which a number fits into a segment, also on a phone
LINKS = {  # where an identifier is explained; followed only when somebody clicks
    r"CVE-\d{4}-\d{4,}": "https://www.cve.org/CVERecord?id={}",
    r"GHSA(-[23456789cfghjmpqrvwx]{4}){3}": "https://github.com/advisories/{}",
}


@dataclass(frozen=True)
class Segment:
    """A piece of a memory bar. `x` and `width` in percent of the bar, `number` the one that the legend gives it."""

    name: str
    gib: float
    x: float
    width: float
    number: int

    @property
    def labelled(self) -> bool:
        """Whether its number fits into it."""
        return self.width >= LABELLED


@dataclass(frozen=True)
class Bars:
    """The memory plan as two bars of one scale. `over`: GiB that the plan takes beyond what was free."""

    card: list[Segment]
    host: list[Segment]
    over: float

    @property
    def host_gib(self) -> float:
        """What lies in host memory."""
        return sum(one.gib for one in self.host)


def html(report: Report) -> str:
    """The page: no request to anywhere, and the same text for the same report."""
    css, js = (_source(name) for name in ("report.css", "report.js"))
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            hosts=sorted(report.hosts, key=_rank),
            states=[(state, sum(1 for host in report.hosts if host.state == state)) for state in ORDER],
            codes=_codes(report),
            drift=_drift(report),
            css=Markup(css),  # ours, and the policy below allows these bytes only
            js=Markup(js),
            policy=policy(css, js),
        )
    )


def policy(css: str, js: str) -> str:
    """The Content-Security-Policy that allows this style, this script and nothing else."""
    return f"default-src 'none'; style-src '{_digest(css)}'; script-src '{_digest(js)}'; base-uri 'none'; form-action 'none'"


def bars(memory: Memory, total_gib: float | None) -> Bars:
    """Where each part of the plan stands, in the order of plan.report.Part, and what else is on the card."""
    sizes = {
        where: [(p.name, p.gib) for p in memory.parts if p.where == where and p.gib > 0] for where in ("card", "host")
    }
    taken = sum(gib for _, gib in sizes["card"])
    used, left = (total_gib or 0.0) - memory.free_gib, memory.free_gib - taken
    around = [("used", used)] if used > 0.005 else []
    card = [*around, *sizes["card"], *([("free", left)] if left > 0.005 else [])]
    scale = max(sum(gib for _, gib in row) for row in (card, sizes["host"]))
    return Bars(_segments(card, scale, 1), _segments(sizes["host"], scale, len(card) + 1), max(0.0, round(-left, 6)))


def _segments(sizes: Sequence[tuple[str, float]], scale: float, first: int) -> list[Segment]:
    found: list[Segment] = []
    x = 0.0
    for number, (name, gib) in enumerate(sizes, first):
        width = 100 * gib / scale
        found.append(Segment(name, gib, x, width, number))
        x += width
    return found


def word(key: str, **values: object) -> Markup:
    """A word of plan/words.toml in both languages, one of which is shown."""
    group, _, name = key.partition(".")
    row = table("words")[group][name]
    return _pair(escape(row["en"]).format(**values), escape(row["zh"]).format(**values))


def both(words: Words) -> Markup:
    """A sentence of the report in both languages."""
    return _pair(words.en, words.zh)


def _pair(en: str, zh: str) -> Markup:
    return Markup('<span class="en" lang="en">{}</span><span class="zh" lang="{}">{}</span>').format(en, ZH, zh)


def moment(text: str) -> Markup:
    """An ISO 8601 time as people read it, in UTC; anything else as it is."""
    try:
        at = datetime.fromisoformat(re.sub(r"Z$", "+00:00", text))
    except ValueError:
        return escape(text)
    utc = at.replace(tzinfo=at.tzinfo or timezone.utc).astimezone(timezone.utc)
    return Markup('<time datetime="{:%Y-%m-%dT%H:%M:%SZ}">{:%Y-%m-%d %H:%M} UTC</time>').format(utc, utc)


def link(name: str) -> str | None:
    """The page that explains a vulnerability, where its identifier tells."""
    return next((url.format(name) for pattern, url in LINKS.items() if re.fullmatch(pattern, name)), None)


def number(value: float) -> str:
    """A number of at most three significant digits after which nothing is cut off: 18,642 and 94.7 and 0.4."""
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2}f}"


def short(name: str) -> str:
    """A card's name as it fits into a row: "RTX 3060". The details have all of it."""
    return re.sub(r"^NVIDIA (GeForce )?(?=.)", "", name)


def openness(found: list[Vulnerability]) -> list[Vulnerability]:
    """Those that nothing compensates for."""
    return [one for one in found if one.compensated is None]


def _rank(host: HostReport) -> tuple[object, ...]:
    """What is worst first, then by name, pc-2 before pc-10."""
    errors = any(found.severity == "error" for found in host.findings)
    parts = [(int(part or 0), text) for text, part in re.findall(r"(\D*)(\d*)", host.name)]
    return ORDER.index(host.state), not errors, not host.findings, [(text, size) for size, text in parts], host.name


def _codes(report: Report) -> list[tuple[str, int]]:
    """Codes with the number of machines that have them, the most frequent first."""
    count = Counter(code for host in report.hosts for code in {found.code for found in host.findings})
    return sorted(count.items(), key=lambda item: (-item[1], item[0]))


def _drift(report: Report) -> tuple[int, int] | None:
    """Findings that came and went in the whole lab since the last report; None where there was none."""
    drifts = [host.drift for host in report.hosts if host.drift]
    return (sum(len(one.new) for one in drifts), sum(len(one.gone) for one in drifts)) if drifts else None


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _source(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


@cache
def _environment() -> jinja2.Environment:
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals.update(w=word, bars=bars, link=link, openness=openness, ZH=ZH, words=table("words"))
    found.filters.update(both=both, moment=moment, number=number, short=short)
    return found
