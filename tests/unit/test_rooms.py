"""The walls between the rooms: who looks, who thinks, who acts."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.unit.recorded import REPOSITORY

ROOMS = ("facts", "plan", "tasks", "deploy", "tests", "group_data", "benchmarks")
SOURCES = sorted([*(path for room in ROOMS for path in (REPOSITORY / room).rglob("*.py")), *REPOSITORY.glob("*.py")])
FORBIDDEN = {
    "plan": {
        "pyinfra",
        "subprocess",
        "requests",
        "socket",
        "http",
        "urllib",
        "tasks",
        "facts",
        "deploy",
        "os",
        "shutil",
        "time",
        "random",
    },
    "facts": {"plan", "tasks", "deploy"},
    "tasks": {"deploy"},
}
TESTS = [path for path in SOURCES if path.relative_to(REPOSITORY).parts[0] == "tests"]
# Assembled, so that this file does not match itself.
MARKS = [re.compile("x" + "fail"), re.compile(r"\bskip" + r"\(\s*\)"), re.compile(r"mark\." + r"skip\b")]
# Whom the product may name: a lab's own mirrors come from its settings, never from here.
PUBLIC = {
    "127.0.0.1",
    "astral.sh",
    "docs.astral.sh",
    "developer.download.nvidia.com",
    "download.pytorch.org",
    "github.com",
    "huggingface.co",
    "pyinfra.com",
    "wheels.vllm.ai",
    "CACHE",  # words for a name, in docstrings
    "NAME",
    "download-r2.pytorch.org",
    "release-assets.githubusercontent.com",
    "releases.astral.sh",
    "server",  # names of nginx upstreams, in a template
    "workstations",
    "www.cve.org",
}
PRODUCT = ("facts", "plan", "tasks", "deploy", "group_data", "requirements")


def name(path: Path) -> str:
    """A path as people write it."""
    return str(path.relative_to(REPOSITORY))


def imported(path: Path) -> set[str]:
    """Top-level names that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(str(node.module).partition(".")[0])
    return found


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_it_is_python(path: Path) -> None:
    ast.parse(path.read_text(), filename=name(path))


@pytest.mark.parametrize("room", FORBIDDEN)
def test_nobody_reaches_through_the_wall(room: str) -> None:
    files = sorted((REPOSITORY / room).rglob("*.py"))
    assert files
    found = {name(path): found for path in files if (found := imported(path) & FORBIDDEN[room])}
    assert found == {}


def test_the_planner_opens_only_its_own_tables() -> None:
    opening = {
        name(path)
        for path in (REPOSITORY / "plan").glob("*.py")
        if re.search(r"\bopen\(|read_text|read_bytes|write_text", path.read_text())
    }
    assert opening == {"plan/toml.py"}


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_no_file_is_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", TESTS, ids=name)
def test_no_test_is_switched_off(path: Path) -> None:
    text = path.read_text()
    assert [mark.pattern for mark in MARKS if mark.search(text)] == []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "skipif":
            assert "reason" in {keyword.arg for keyword in node.keywords}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "skip":
            assert node.args or node.keywords


def test_no_registry_is_named_but_the_public_ones() -> None:
    files = [
        path for room in PRODUCT for path in (REPOSITORY / room).rglob("*") if path.is_file() and path.suffix != ".pyc"
    ]
    found: dict[str, set[str]] = {}
    for path in [*files, *REPOSITORY.glob("*.py"), REPOSITORY / "run", REPOSITORY / "pyproject.toml"]:
        for host in re.findall(r"https?://([A-Za-z0-9.-]+)", path.read_text()):
            found.setdefault(host.rstrip("."), set()).add(name(path))
    assert "huggingface.co" in found
    assert {host: files for host, files in found.items() if host not in PUBLIC} == {}
