from __future__ import annotations

import sys
from pathlib import Path

import pytest

import vllm_workstation_plugin
from vllm_workstation_plugin.switches import PARTS, asked, is_proven


@pytest.mark.parametrize(("value", "parts", "unknown"), [
    ("", (), ()),
    (" , ", (), ()),
    ("embedding", ("embedding",), ()),
    ("rope,load, repack,embedding", PARTS, ()),
    ("repack,swift", ("repack",), ("swift",)),
])
def test_the_variable_names_parts(value: str, parts: tuple[str, ...], unknown: tuple[str, ...]) -> None:
    assert asked(value) == (parts, unknown)


@pytest.mark.parametrize(("version", "proven"), [
    ("0.24.0", True), ("0.24.0+cu129", True), ("0.24.0+cpu", True),
    ("0.24.0.post1", False), ("0.24.0rc1", False), ("0.24.1", False), ("0.25.0", False), ("0.2", False),
])
def test_only_the_proven_release_is_changed(version: str, proven: bool) -> None:
    assert is_proven(version) is proven


def test_without_the_variable_nothing_of_vllm_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(vllm_workstation_plugin.SWITCH, raising=False)
    monkeypatch.setitem(sys.modules, "vllm", None)  # an import would raise
    monkeypatch.setattr(vllm_workstation_plugin, "install", lambda wanted: pytest.fail("something was installed"))
    vllm_workstation_plugin.register()


def test_the_entry_point_is_the_function_that_vllm_calls() -> None:
    project = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    assert '[project.entry-points."vllm.general_plugins"]\nworkstation = "vllm_workstation_plugin:register"\n' in project
    assert callable(vllm_workstation_plugin.register)
