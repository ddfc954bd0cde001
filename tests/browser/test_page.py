"""report.html in a browser: what it asks for, who can use it, and how it looks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plan.report import Report
from tests.browser.conftest import Load
from tests.unit.tasks import reports

SCHEMES = ("light", "dark")
WIDTHS = (1280, 360)
LOOKS = [(width, scheme, fragment) for width in WIDTHS for scheme in SCHEMES for fragment in ("", "#zh")]
LONG = "/" + "x" * 600 + "</script><img src=x onerror=alert(1)>"
OPEN = "for (const one of document.querySelectorAll('details')) one.open = true"
SHOWN = "selector => [...document.querySelectorAll(selector)].filter(e => e.checkVisibility()).length"
FOCUSED = """() => {
    const one = document.activeElement, style = getComputedStyle(one);
    if (one === document.body) return null;
    const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && one.matches(':focus-visible');
    const box = one.getBoundingClientRect();
    const seen = box.top >= 0 && box.bottom <= innerHeight && box.height >= 24;
    return {name: one.tagName + ' ' + (one.id || one.innerText.split('\\n')[0]), index: +one.dataset.test, ring, seen};
}"""
NUMBERED = """() => {
    const all = [...document.querySelectorAll('a[href], button, summary')].filter(e => e.checkVisibility());
    all.forEach((one, index) => one.dataset.test = index);
    return all.length;
}"""


def examples() -> Report:
    """Each example once, and a machine with texts as long and as bad as they get."""
    bad = reports.PORT.model_copy(update={"evidence": LONG, "code": "A-RATHER-LONG-CODE-OF-A-FINDING"})
    long = reports.port_taken(LONG[:120]).model_copy(update={"primary": bad, "release": LONG[:90], "system": LONG})
    return reports.report(*(example(f"pc-{index:02}") for index, example in enumerate(reports.EXAMPLES)), long)


@pytest.mark.parametrize(("width", "scheme", "fragment"), LOOKS)
def test_axe_finds_nothing(load: Load, axe: Path, width: int, scheme: str, fragment: str) -> None:
    page = load(examples(), width, scheme, fragment, script=axe)
    for state in ("closed", "open"):
        found = page.evaluate("axe.run(document, {resultTypes: ['violations', 'incomplete', 'passes']})")
        told = [(one["id"], [node["html"][:150] for node in one["nodes"]][:5]) for one in found["violations"]]
        assert told == [], f"{state}: {json.dumps(told, indent=1)}"
        assert {"color-contrast", "html-has-lang", "heading-order", "summary-name"} <= {
            one["id"] for one in found["passes"]
        }
        page.evaluate(OPEN)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_would_find_a_poor_contrast(load: Load, axe: Path, scheme: str) -> None:
    page = load(examples(), 1280, scheme, script=axe)
    page.evaluate("document.querySelector('h1').style.color = '#888'")
    page.evaluate("document.body.style.background = '#777'")
    found = page.evaluate("axe.run()")
    assert "color-contrast" in {one["id"] for one in found["violations"]}


@pytest.mark.parametrize("fragment", ["", "#zh"])
@pytest.mark.parametrize("width", [1280, 800, 360, 320])
def test_nothing_is_wider_than_the_screen(load: Load, width: int, fragment: str) -> None:
    page = load(examples(), width, "light", fragment)
    for _ in ("closed", "open"):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        cut = "e => !e.closest('.vh, .defs, .line, .columns') && e.checkVisibility() && e.getBoundingClientRect().right > innerWidth"
        assert (
            page.evaluate(f"[...document.querySelectorAll('body *')].filter({cut}).map(e => e.outerHTML.slice(0, 99))")
            == []
        )
        page.evaluate(OPEN)


@pytest.mark.parametrize("width", WIDTHS)
def test_every_control_is_reached_by_tab_in_its_order_and_seen(load: Load, width: int) -> None:
    page = load(reports.lab(20), width)
    total = page.evaluate(NUMBERED)
    assert total == 2 + 2 + 20
    for index in range(total):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        assert focused and focused["index"] == index and focused["ring"] and focused["seen"], (index, focused)
    for index in reversed(range(total - 1)):
        page.keyboard.press("Shift+Tab")
        assert page.evaluate(FOCUSED)["index"] == index


def test_a_link_in_the_details_is_reached(load: Load) -> None:
    page = load(reports.report(reports.exposed()))
    page.locator("summary").focus()
    page.keyboard.press("Tab")
    assert "GHSA" in page.evaluate("document.activeElement.innerText") or "CVE" in page.evaluate(
        "document.activeElement.innerText"
    )


@pytest.mark.parametrize("key", ["Enter", " "])
def test_a_machine_opens_and_closes_by_the_keyboard(load: Load, key: str) -> None:
    page = load(reports.lab(5))
    page.locator("summary").nth(1).focus()
    for shown in (1, 0):
        page.keyboard.press(key)
        assert page.evaluate(SHOWN, ".detail") == shown
    assert page.locator("details").nth(1).get_attribute("open") is None


def test_all_open_and_close(load: Load) -> None:
    page = load(reports.lab(5))
    page.locator("button").nth(0).focus()
    page.keyboard.press("Enter")
    assert page.evaluate(SHOWN, ".detail") == 5
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate(SHOWN, ".detail") == 0


def language(page: Any) -> tuple[str, str, int, int]:
    """<html lang>, the title, and how many texts of each language are shown."""
    return (
        *page.evaluate("[document.documentElement.lang, document.title]"),
        page.evaluate(SHOWN, ".en"),
        page.evaluate(SHOWN, ".zh"),
    )


def test_the_language_is_switched_by_the_keyboard_and_kept_by_the_address(load: Load) -> None:
    page = load(examples())
    page.evaluate(OPEN)
    lang, title, en, zh = language(page)
    assert (lang, title, zh) == ("en", "Lab report", 0) and en > 400
    page.locator("#zh").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.documentElement.lang !== 'en'")
    assert language(page) == ("zh-Hant-TW", "實驗室報告", 0, en)  # the very same places
    assert page.locator("nav a[aria-current]").inner_text() == "繁體中文"
    page.reload()
    assert language(page)[:3] == ("zh-Hant-TW", "實驗室報告", 0)
    assert page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length") == 0
    page.locator("#en").click()
    page.wait_for_function("document.documentElement.lang === 'en'")
    assert language(page)[3] == 0 and page.locator("nav a[aria-current]").inner_text() == "English"


def test_it_works_without_javascript(load: Load) -> None:
    page = load(reports.lab(5), java_script_enabled=False)
    assert page.get_by_role("heading", name="Lab report").is_visible()
    assert page.locator("button").count() == 2 and not page.locator("button").nth(0).is_visible()
    evidence = page.locator("pre").first
    assert not evidence.is_visible()
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert evidence.is_visible()
    assert page.locator("h2 .en").last.is_visible() and not page.locator("h2 .zh").last.is_visible()
    page.locator("#zh").click()  # by :target
    assert page.locator("h2 .zh").last.is_visible() and not page.locator("h2 .en").last.is_visible()


def test_a_screen_reader_hears_the_state_the_name_and_what_a_figure_is(load: Load) -> None:
    page = load(reports.report(reports.wsl_12(), reports.port_taken()))
    tree = page.locator("main").aria_snapshot()
    assert "Needs a person" in tree and 'heading "pc-03" [level=3]' in tree
    assert "Driver: 581.15" in tree and "Tokens/s: 33.4" in tree
    assert "需人工處理" not in tree and "✓" not in tree


def test_the_policy_is_in_force(load: Load) -> None:
    page = load(reports.report(reports.wsl_12()), blocked="Content Security Policy")
    page.evaluate("""() => {
        window.broken = [];
        document.addEventListener('securitypolicyviolation', event => window.broken.push(event.effectiveDirective));
        const script = document.createElement('script'); script.textContent = 'window.ran = 1'; document.body.append(script);
        const style = document.createElement('style'); style.textContent = 'h1 { color: rgb(1, 2, 3) }'; document.body.append(style);
    }""")
    page.wait_for_function("window.broken.length === 2")
    assert page.evaluate("[window.ran, getComputedStyle(document.querySelector('h1')).color === 'rgb(1, 2, 3)']") == [
        None,
        False,
    ]
    assert sorted(page.evaluate("window.broken")) == ["script-src-elem", "style-src-elem"]


def test_what_is_wrong_is_printed_in_full(load: Load) -> None:
    page = load(reports.lab(9), 800, "dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(0, 0, 0)"
    boxes = "name => [...document.querySelectorAll(name)].map(e => e.checkVisibility({contentVisibilityAuto: true}) && e.offsetHeight > 0)"
    assert set(page.evaluate(boxes, ".host:not(.healthy) h4")) == {True}
    assert set(page.evaluate(boxes, ".host.healthy h4")) == {False}
    assert page.evaluate(SHOWN, "nav, button") == 0


@pytest.mark.parametrize(("width", "scheme", "fragment"), LOOKS)
def test_screenshots(load: Load, shots: Path, width: int, scheme: str, fragment: str) -> None:
    name = f"{'desktop' if width > 400 else 'phone'}-{scheme}{'-zh' if fragment else ''}"
    page = load(reports.lab(50), width, scheme, fragment)
    for state in ("closed", "open"):
        if state == "open":
            for index in (0, 3, 5):
                page.locator("summary").nth(index).click()
        page.screenshot(path=shots / f"{name}-{state}.png", full_page=True)
        assert (shots / f"{name}-{state}.png").stat().st_size > 20_000
