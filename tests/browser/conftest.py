"""A headless Chromium and axe-core, or the reason why there is none.

Needed: the group `browser` (playwright, axe-playwright-python) and Debian's package `chromium`. $CHROMIUM and $AXE name others;
$SHOTS names the folder for the screenshots.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plan.report import Report
from tasks.page import html

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = [  # nothing of the browser's own may ask for anything
    "--no-sandbox",  # root has none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
Load = Callable[..., Any]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The browser. Its end is waited for with the module's: while it is there, an event loop runs in this thread, and no other can."""
    sync_api: Any = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (group browser)")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no Chromium is installed (Debian's package chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe() -> Path:
    """axe-core's script: $AXE, or the one that lies in axe-playwright-python."""
    if "AXE" in os.environ:
        return Path(os.environ["AXE"])
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None or not found.submodule_search_locations:
        pytest.skip("axe-core is not installed (group browser: axe-playwright-python)")
    return Path(found.submodule_search_locations[0]) / "axe.min.js"


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Where screenshots go."""
    folder = Path(os.environ.get("SHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def load(chromium: Any, tmp_path: Path) -> Iterator[Load]:
    """`load(report, width, scheme, hash)` opens the page; what it asks for besides itself fails the test, and what it complains of,
    but for the names of `blocked`."""
    contexts: list[Any] = []
    asked: list[str] = []
    wrong: list[str] = []
    file = tmp_path / "report.html"

    def opened(report: Report, width: int = 1280, scheme: str = "light", fragment: str = "", **options: Any) -> Any:
        file.write_text(html(report), encoding="utf-8")
        script, blocked = options.pop("script", None), options.pop("blocked", None)
        size = {"width": width, "height": 900}
        contexts.append(chromium.new_context(viewport=size, color_scheme=scheme, **options))
        if script:
            contexts[-1].add_init_script(path=str(script))
        page = contexts[-1].new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: None if blocked and blocked in message.text else wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(dialog.message))  # and is left open: the test ends there
        page.goto(file.as_uri() + fragment)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert {url.partition("#")[0] for url in asked} <= {file.as_uri()}
    assert wrong == []
