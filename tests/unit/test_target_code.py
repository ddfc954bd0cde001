"""What runs on a target is Python 3.8 with nothing but the standard library."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.recorded import REPOSITORY

MODULES = sorted(
    [
        *(REPOSITORY / "facts" / "probe").glob("*.py"),
        *(REPOSITORY / "tasks" / "remote").glob("*.py"),
        REPOSITORY / "tasks/templates/vllm_workstation_defaults.py",
    ]
)
INSIDE = {"huggingface_hub", "openai", "torch", "transformers", "safetensors"}  # inside functions of tasks/remote only
YOUNGER = {
    "removeprefix",
    "removesuffix",
    "tomllib",
    "zoneinfo",
    "batched",
    "pairwise",
}  # names of Python 3.9 and later
STDLIB = set(sys.stdlib_module_names)


def imports(tree: ast.AST) -> set[str]:
    """Top-level names of absolute imports anywhere below a node."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(str(node.module).partition(".")[0])
    return found


def in_functions(tree: ast.Module) -> set[str]:
    """Imports that wait until a function runs."""
    return {name for node in tree.body if isinstance(node, ast.FunctionDef) for name in imports(node)}


def at_top(tree: ast.Module) -> set[str]:
    return {name for node in tree.body if not isinstance(node, ast.FunctionDef) for name in imports(node)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_python_38_and_standard_library(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text, feature_version=(3, 8))
    assert (
        text == ""
        or any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)
        or not imports(tree)
    )
    assert at_top(tree) <= STDLIB
    extra = INSIDE if path.parent.name == "remote" else set()
    assert in_functions(tree) <= STDLIB | extra
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} | {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name)
    }
    assert not names & YOUNGER


def runtime_unions(tree: ast.Module) -> list[int]:
    """Lines outside annotations where `X | Y` joins two types, or a builtin is subscripted: both fail before 3.9 or 3.10."""
    builtins = {"list", "dict", "set", "tuple", "frozenset", "type"}
    notes = {id(sub) for node in ast.walk(tree) for note in _annotations(node) for sub in ast.walk(note)}
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript)
        and id(node) not in notes
        and isinstance(node.value, ast.Name)
        and node.value.id in builtins
    ]


def _annotations(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, ast.AnnAssign):
        return [node.annotation]
    if isinstance(node, ast.arg) and node.annotation:
        return [node.annotation]
    if isinstance(node, ast.FunctionDef) and node.returns:
        return [node.returns]
    return []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_subscripted_builtins_at_run_time(path: Path) -> None:
    assert runtime_unions(ast.parse(path.read_text())) == []


def test_the_check_of_subscripted_builtins_sees_one() -> None:
    assert runtime_unions(
        ast.parse("from __future__ import annotations\nx: list[int] = []\nFiles = dict[str, int]\n")
    ) == [3]


def test_the_probe_starts_without_site_packages() -> None:
    code = "import facts.probe.main, tasks.remote.common, tasks.remote.jobs, tasks.remote.resolve, tasks.remote.weights, tasks.remote.serve"
    subprocess.run([sys.executable, "-S", "-c", code], check=True, cwd=REPOSITORY, env={"PYTHONPATH": str(REPOSITORY)})
