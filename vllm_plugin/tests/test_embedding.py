"""The embedding in host memory; the meta device stands for the card, and a copy for the view of pinned memory."""
from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch cannot be imported here", exc_type=ImportError)
pytestmark = pytest.mark.usefixtures("vllm")


@pytest.fixture(name="make")
def fixture_make(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The plugin's maker of embeddings, on one rank, where pinned memory can be had."""
    from vllm.model_executor.layers import vocab_parallel_embedding as layers
    from vllm.utils import platform_utils, torch_utils

    from vllm_workstation_plugin.embedding import in_host_memory

    monkeypatch.setattr(layers, "get_tensor_model_parallel_rank", lambda: 0)
    monkeypatch.setattr(layers, "get_tensor_model_parallel_world_size", lambda: 1)
    monkeypatch.setattr(platform_utils, "is_uva_available", lambda: True)
    monkeypatch.setattr(torch_utils, "get_accelerator_view_from_cpu_tensor", lambda tensor: tensor.clone())
    return in_host_memory(layers.VocabParallelEmbedding)


def build(make: Any) -> Any:
    from vllm.config import VllmConfig, set_current_vllm_config

    with set_current_vllm_config(VllmConfig()), torch.device("meta"):
        return make(100, 16)


def test_it_is_never_on_the_card_and_loads_and_looks_up(make: Any) -> None:
    embedding = build(make)
    assert embedding.weight.device.type == "cpu" and embedding.weight.shape == (128, 16)
    assert embedding.weight._vllm_is_uva_offloaded
    rows = torch.randn(100, 16)
    embedding.weight.weight_loader(embedding.weight, rows)
    assert torch.equal(embedding.weight[:100], rows) and not embedding.weight[100:].any()
    assert torch.equal(embedding.quant_method.embedding(embedding, torch.tensor([7, 99])), rows[[7, 99]])


def test_dummy_weights_reach_it(make: Any) -> None:
    model_config: Any = None  # not read
    from vllm.model_executor.model_loader.weight_utils import initialize_dummy_weights

    embedding = build(make)
    embedding.weight.data.fill_(5)
    initialize_dummy_weights(embedding, model_config)
    assert embedding.weight.abs().max() <= 1e-3 and embedding.weight.any()


@pytest.mark.parametrize("reason", ["no pinned memory", "allocation fails"])
def test_else_it_is_built_on_the_card(make: Any, monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    from vllm.utils import platform_utils, torch_utils

    def fails(tensor: Any) -> Any:
        raise RuntimeError("cudaHostAlloc failed: out of memory\nmore")

    if reason == "no pinned memory":
        monkeypatch.setattr(platform_utils, "is_uva_available", lambda: False)
    monkeypatch.setattr(torch_utils, "get_accelerator_view_from_cpu_tensor", fails)
    embedding = build(make)
    assert embedding.weight.device.type == "meta"
    assert not hasattr(embedding.weight, "_vllm_is_uva_offloaded")
