"""What the plugin replaces looks in the proven vLLM as it expects, and elsewhere it keeps its hands off."""
from __future__ import annotations

import dataclasses
import importlib.metadata
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch cannot be imported here", exc_type=ImportError)
pytestmark = pytest.mark.usefixtures("vllm")


def all_patches() -> list[Any]:
    from vllm_workstation_plugin import embedding, load, memory, repack, rope

    return [*embedding.PATCHES, *repack.PATCHES, *load.PATCHES, *rope.PATCHES, *memory.PATCHES]


@pytest.fixture(name="restored")
def fixture_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test replaces is put back."""
    for patch in all_patches():
        monkeypatch.setattr(patch.owner(), patch.name.rpartition(".")[2], patch.original())


def replaced() -> list[str]:
    from vllm_workstation_plugin.patching import MARK

    return [patch.name for patch in all_patches() if hasattr(patch.original(), MARK)]


def register(monkeypatch: pytest.MonkeyPatch, parts: str, version: str = "0.24.0") -> None:
    import vllm_workstation_plugin

    monkeypatch.setenv(vllm_workstation_plugin.SWITCH, parts)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version)
    vllm_workstation_plugin.register()


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize(("parts", "names"), [
    ("", []),
    ("embedding", ["VocabParallelEmbedding", "process_weights_after_loading"]),
    ("repack", ["prepare_moe_mxfp4_layer_for_marlin", "replace_parameter", "process_weights_after_loading"]),
    ("rope", ["YaRNScalingRotaryEmbedding._compute_cos_sin_cache", "process_weights_after_loading"]),
    ("load", ["RoutedExperts.weight_loader", "process_weights_after_loading"]),
])
def test_a_part_replaces_its_own_and_the_report(monkeypatch: pytest.MonkeyPatch, parts: str, names: list[str]) -> None:
    register(monkeypatch, parts)
    assert replaced() == names


@pytest.mark.usefixtures("restored")
def test_another_vllm_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, "embedding,repack,load", version="0.25.0")
    assert not replaced()


@pytest.mark.usefixtures("restored")
def test_twice_is_once(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, "embedding,repack,load,rope")
    first = [patch.original() for patch in all_patches()]
    register(monkeypatch, "embedding,repack,load,rope")
    assert [patch.original() for patch in all_patches()] == first
    assert len(replaced()) == len(all_patches())


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("change", [{"parameters": ("layer",)}, {"name": "gone"}, {"module": "vllm.gone"}])
def test_a_part_of_which_one_place_differs_replaces_nothing(change: dict[str, Any]) -> None:
    from vllm_workstation_plugin import repack
    from vllm_workstation_plugin.patching import Unexpected, replace

    with pytest.raises(Unexpected):
        replace([repack.PATCHES[0], dataclasses.replace(repack.PATCHES[1], **change)])
    assert not replaced()


def test_the_loader_keeps_what_vllm_hangs_on_it() -> None:
    from vllm_workstation_plugin import load

    loader: Any = load.PATCHES[0].make(load.PATCHES[0].original())
    assert loader.supports_moe_loading is True
