"""report.html: what is in it, that data stays data, and that it asks for nothing."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from plan.report import Diagnosis, Drift, HostReport, Report, Vulnerability
from plan.toml import table
from tasks import page
from tests.unit.tasks import reports
from tests.unit.tasks.parsed import Page

EVIL = "</script></style></title></pre>\"'><img src=x onerror=evil()><script>evil()</script>{{ 7*7 }}{n}&amp;<!--"
FREE = {  # fields of free text; the others are one of a few words, a time, or made of these
    "name", "evidence", "en", "zh", "code", "driver", "compute_capability", "text", "id", "applies", "fixed", "compensated",
    "system", "engine", "release", "model", "url", "tool", "new", "gone", "at", "since", "made_at",
}  # fmt: skip


def everything() -> Report:
    """Every example, with everything that a report can hold."""
    full = reports.port_taken("pc-20").model_copy(
        update={"answer": reports.PARIS, "vulnerabilities": [reports.HOLE, reports.KEPT]}
    )
    bare = reports.native_24("pc-21").model_copy(update={"card": reports.refused().card, "primary": reports.NVJITLINK})
    less = reports.wsl_12("pc-22").model_copy(update={"card": None, "answer": None, "drift": Drift(since="once")})
    odd = HostReport(name="pc-23", state="unreachable")
    known = [reports.HOLE.model_copy(update={"severity": level}) for level in ("low", "medium", "high", "critical")]
    holes = reports.exposed("pc-24").model_copy(update={"vulnerabilities": known})
    made = reports.report(*(example() for example in reports.EXAMPLES), full, bare, less, odd, holes)
    return made.model_copy(update={"redacted": True})


def changed(value: Any, change: Callable[[str, Any], Any], key: str = "") -> Any:
    """Plain data with `change(field, value)` in place of each leaf."""
    if isinstance(value, dict):
        return {name: changed(inner, change, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [changed(inner, change, key) for inner in value]
    return change(key, value)


def marked(report: Report, text: str) -> tuple[Report, list[str]]:
    """The report with `text` and a number of its own in each free field; the part's name and the like stay."""
    made: list[str] = []

    def change(key: str, value: Any) -> Any:
        if key not in FREE or not isinstance(value, str) or value in table("words")["part"]:
            return value
        made.append(f"«{len(made)}»{text}")
        return made[-1]

    return Report.model_validate(changed(report.model_dump(), change)), made


def test_every_text_is_shown_as_it_is() -> None:
    report, made = marked(everything(), EVIL)
    shown = Page(page.html(report)).text()
    assert len(made) > 150
    assert [text for text in made if text not in shown] == []


def test_no_text_becomes_an_element_or_an_attribute() -> None:
    evil, tame = (Page(page.html(marked(everything(), text)[0])) for text in (EVIL, "tame"))
    assert [(tag, *attributes) for tag, attributes in evil.elements] == [
        (tag, *attributes) for tag, attributes in tame.elements
    ]
    assert evil.inline == tame.inline
    assert not [
        name for _, attributes in evil.elements for name in attributes if name.startswith("on") or name == "style"
    ]


def test_every_number_is_shown() -> None:
    counter = iter(range(11, 10_000))
    wanted: list[str] = []

    def change(key: str, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or key in ("version", "exit"):
            return value
        n = next(counter)
        fine = n + 0.25 if isinstance(value, float) else n
        wanted.append(f"{fine:.2f}" if key == "gib" else f"{fine:.1f}" if key.endswith("_gib") else page.number(fine))
        return fine

    report = Report.model_validate(changed(everything().model_dump(), change))
    shown = re.split(r"[^\d.,]+", Page(page.html(report)).text("en") + " " + Page(page.html(report)).text(""))
    assert len(wanted) > 60
    assert [number for number in wanted if number not in shown] == []


def words() -> Iterator[tuple[str, str, str]]:
    """(key, English, Chinese) of every word."""
    for group, rows in table("words").items():
        for name, row in rows.items():
            assert set(row) == {"en", "zh"}
            yield f"{group}.{name}", row["en"], row["zh"]


def test_every_word_is_there_in_both_languages_and_used() -> None:
    labs = [reports.report(), *(everything().model_copy(update={"exit": code}) for code in (0, 1, 2))]
    spans = {span for lab in labs for span in Page(page.html(lab)).spans}
    for key, *both in words():
        for language, text in zip(("en", "zh"), both, strict=True):
            pattern = ".+".join(re.escape(piece) for piece in re.split(r"\{\w+\}", text))
            assert any(one == language and re.fullmatch(pattern, shown) for one, shown in spans), (key, text)


@pytest.mark.parametrize(("key", "en", "zh"), list(words()))
def test_a_word(key: str, en: str, zh: str) -> None:
    assert sorted(re.findall(r"\{\w+\}", en)) == sorted(re.findall(r"\{\w+\}", zh))
    assert en.isascii() and en.strip() == en != "" and zh.strip() == zh != ""
    zh.encode("cp950")  # what Simplified alone has is not in it
    if key != "column.release":
        assert re.search(r"[一-鿿]|token", zh)


def test_each_english_text_stands_beside_its_chinese() -> None:
    found = [
        attributes
        for tag, attributes in Page(page.html(everything())).elements
        if (attributes.get("class") or "") in ("en", "zh")
    ]
    assert [one["class"] for one in found] == ["en", "zh"] * (len(found) // 2)
    assert {(one["class"], one["lang"]) for one in found} == {("en", "en"), ("zh", page.ZH)}


def test_the_policy_allows_the_inline_blocks_and_nothing_else() -> None:
    parsed = Page(page.html(everything()))
    hashes = {
        tag: f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for tag, text in parsed.inline
    }
    assert [tag for tag, _ in parsed.inline] == ["style", "script"]
    named = [one for one in parsed.all("meta") if one.get("http-equiv")]
    assert [one["http-equiv"] for one in named] == ["Content-Security-Policy"]
    assert dict(part.strip().split(" ", 1) for part in (named[0]["content"] or "").split(";")) == {
        "default-src": "'none'",
        "style-src": hashes["style"],
        "script-src": hashes["script"],
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert [tag for tag, _ in parsed.elements][:4] == ["html", "head", "meta", "meta"]
    assert parsed.all("meta")[1] == named[0]  # before what it judges


def test_it_asks_for_nothing() -> None:
    parsed = Page(page.html(everything()))
    for tag, attributes in parsed.elements:
        assert tag not in {
            "link",
            "img",
            "iframe",
            "object",
            "embed",
            "base",
            "form",
            "audio",
            "video",
            "use",
            "image",
            "foreignobject",
        }
        assert not {"src", "srcset", "data", "poster", "action", "xlink:href", "ping", "background"} & set(attributes)
        target = attributes.get("href") or "#"
        assert target.startswith("#") or (tag == "a" and attributes["rel"] == "noopener noreferrer"), target
        assert (attributes.get("fill") or "url(#").startswith("url(#")
    css, js = (text for _, text in parsed.inline)
    assert not re.search(r"url\(|@import|@font-face|https?:|//", css)
    assert not re.search(r"https?:|//|fetch|XMLHttpRequest|import|Storage|cookie|eval|innerHTML|document\.write", js)


def test_links_lead_to_the_pages_of_vulnerabilities_only() -> None:
    links = {one["href"] for one in Page(page.html(everything())).all("a") if not (one["href"] or "").startswith("#")}
    assert links == {
        "https://www.cve.org/CVERecord?id=CVE-2026-34756",
        "https://github.com/advisories/GHSA-wr9h-g72x-mwhm",
    }
    assert [
        page.link(name) for name in ("X41-2026-002", 'CVE-2026-1" onclick=', "javascript:evil()", "CVE-2026-34756\n")
    ] == [None] * 4


def test_references_and_headings_are_sound() -> None:
    parsed = Page(page.html(everything()))
    ids = [str(attributes["id"]) for _, attributes in parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    pointed = {
        str(a[k]).removeprefix("#")
        for _, a in parsed.elements
        for k in ("aria-labelledby", "aria-describedby")
        if k in a
    }
    fills = {str(a["fill"])[5:-1] for _, a in parsed.elements if "fill" in a}
    assert pointed | fills <= set(ids) and {"p-" + name for name in table("words")["part"]} <= set(ids)
    levels = [int(tag[1]) for tag, _ in parsed.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))


def test_an_empty_lab() -> None:
    parsed = Page(page.html(reports.report()))
    assert (
        "There is no machine in this report." in parsed.text("en")
        and not parsed.all("details")
        and not parsed.all("button")
    )


def names(report: Report) -> list[str]:
    """The machines in the order of the page."""
    return re.findall(r'<h3 class="machine">(.*?)</h3>', page.html(report))


def test_sixty_four_machines_the_worst_first() -> None:
    report = reports.lab(64)
    order = names(report)
    rank = {"person": 0, "unreachable": 1, "rerun": 2, "healthy": 3}
    state = {host.name: host.state for host in report.hosts}
    assert len(order) == len(set(order)) == 64 and set(order) == set(state)
    assert [rank[state[name]] for name in order] == sorted(rank[one] for one in state.values())
    parsed = Page(page.html(report))
    assert len(parsed.all("details")) == 64 and not [one for one in parsed.all("details") if "open" in one]
    for word, n in (("Needs a person", 2), ("Unreachable", 3), ("Run again", 4), ("Healthy", 55)):
        assert f"{n} {word}" in parsed.text().replace("\n", ""), word
        assert parsed.spans.count(("en", word)) == n + 1, word  # in each row and in the count


def test_names_count_and_errors_go_before_warnings() -> None:
    warned = reports.jitlink("pc-1").model_copy(update={"primary": reports.UNIT})
    hosts = [
        warned,
        reports.jitlink("pc-10"),
        reports.jitlink("pc-9"),
        reports.jitlink("lab2-pc-1"),
        reports.jitlink("7"),
    ]
    assert names(reports.report(*hosts)) == ["7", "lab2-pc-1", "pc-9", "pc-10", "pc-1"]


def test_the_codes_of_the_lab_and_what_moved() -> None:
    shown = Page(page.html(reports.report(reports.jitlink("a"), reports.jitlink("b"), reports.port_taken("c")))).text(
        ""
    )
    assert re.findall(r"([A-Z]+) × (\d)", shown) == [("NVJITLINK", "2"), ("DISK", "1"), ("PORT", "1"), ("UNIT", "1")]
    assert "Since the last report: 2 new, 1 gone" in shown


def test_one_machine_is_open() -> None:
    assert "open" in Page(page.html(reports.report(reports.wsl_12()))).all("details")[0]


def test_a_machine_without_a_gpu_and_one_that_is_not_reached() -> None:
    without = Page(page.html(reports.report(reports.no_gpu()))).text("en")
    assert "no GPU" in without and "Memory plan" not in without and "Nothing is wrong." in without
    lost = Page(page.html(reports.report(HostReport(name="pc", state="unreachable")))).text("en")
    assert "not known" in lost and "Nothing is known of this machine beyond its state." in lost
    assert "no GPU" not in lost and "Nothing is wrong." not in lost


def test_the_primary_stands_before_the_others_and_open_holes_before_kept_ones() -> None:
    host = reports.port_taken().model_copy(update={"vulnerabilities": [reports.KEPT, reports.HOLE]})
    shown = Page(page.html(reports.report(host))).text()
    where = [
        shown.rindex(text)
        for text in ("Start here", "kill 4711), or set", "Other findings", "Somebody edited", "fully", "CVE-", "GHSA-")
        if text in shown
    ]
    assert where == sorted(where) and len(where) == 6
    assert "vulnerabilities open: 1" in shown and shown.count("Nothing compensates for it") == 1


def test_the_same_report_gives_the_same_page() -> None:
    code = "from tests.unit.tasks import reports; from tasks.page import html; import sys; sys.stdout.buffer.write(html(reports.lab()).encode())"
    made = [
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
                       capture_output=True, check=True, timeout=60).stdout.decode()
        for seed in ("1", "2")
    ]  # fmt: skip
    assert made[0] == made[1] == page.html(reports.lab()) == page.html(reports.lab())


def test_severity_and_actor_are_written_out() -> None:
    for found in (reports.PORT, reports.UNIT):
        made = page.html(reports.report(reports.jitlink().model_copy(update={"primary": found})))
        for language, name in (("en", "en"), (page.ZH, "zh")):
            shown = Page(made).text(language)
            assert table("words")["severity"][found.severity][name] in shown
            assert table("words")["actor"][found.actor][name] in shown
    assert {*Diagnosis.model_fields} == {"code", "severity", "actor", "evidence", "cause", "fix", "risk", "also"}
    assert {*Vulnerability.model_fields} == {"id", "severity", "text", "applies", "fixed", "compensated"}
