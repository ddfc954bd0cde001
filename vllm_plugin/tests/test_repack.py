"""The repack in place against vLLM 0.24.0's own function; only the compiled operator is a stand-in."""
from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch cannot be imported here", exc_type=ImportError)
pytestmark = pytest.mark.usefixtures("vllm")
LAYER = SimpleNamespace(params_dtype=torch.bfloat16)
SIZES = [(4, 128, 256), (2, 256, 128), (1, 128, 128), (3, 2944, 3072), (2, 2880, 2880)]  # experts, n, k


@pytest.fixture(name="prepare")
def fixture_prepare(monkeypatch: pytest.MonkeyPatch) -> Any:
    import standins
    marlin_utils_fp4: Any = importlib.import_module("vllm.model_executor.layers.quantization.utils.marlin_utils_fp4")
    monkeypatch.setattr(marlin_utils_fp4.ops, "gptq_marlin_repack", standins.gptq_marlin_repack)
    return marlin_utils_fp4.prepare_moe_mxfp4_layer_for_marlin


def in_place(prepare: Any) -> Any:
    from vllm_workstation_plugin.repack import expert_by_expert

    return expert_by_expert(prepare)


def copies(tensors: dict[str, Any]) -> dict[str, Any]:
    return {name: None if tensor is None else tensor.clone() for name, tensor in tensors.items()}


def same(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    return bool(one.dtype == other.dtype and one.shape == other.shape and one.stride() == other.stride()
                and torch.equal(one.contiguous().view(torch.uint8), other.contiguous().view(torch.uint8)))


@pytest.mark.parametrize(("count", "n", "k"), SIZES)
@pytest.mark.parametrize("offloaded", [False, True])
def test_every_bit_is_what_vllm_makes(prepare: Any, count: int, n: int, k: int, offloaded: bool) -> None:
    import standins

    sources = standins.experts(count, n, k)
    expected = prepare(LAYER, **copies(sources))
    parameters = {name: torch.nn.Parameter(tensor, requires_grad=False) for name, tensor in copies(sources).items()}
    for parameter in parameters.values():
        if offloaded:
            parameter._vllm_is_uva_offloaded = True
    found = in_place(prepare)(LAYER, *parameters.values())
    assert all(same(one, other) for one, other in zip(found, expected, strict=True))
    assert [one.data_ptr() for one in found] == [parameter.data_ptr() for parameter in parameters.values()]


def test_the_stand_in_moves_bytes_so_a_repack_that_does_nothing_would_be_seen(prepare: Any) -> None:
    import standins

    sources = standins.experts(2, 128, 256)
    results = prepare(LAYER, **copies(sources))
    for source, result in zip(sources.values(), results, strict=True):
        assert not torch.equal(source.view(torch.uint8).view(-1), result.view(torch.uint8).view(-1))


def test_experts_without_biases(prepare: Any) -> None:
    import standins

    sources = {**standins.experts(2, 128, 256), "w13_bias": None, "w2_bias": None}
    expected = prepare(LAYER, **copies(sources))
    assert all(same(one, other) for one, other in zip(in_place(prepare)(LAYER, *sources.values()), expected, strict=True))


def test_where_a_result_is_larger_than_its_source_vllm_does_it(prepare: Any) -> None:
    import standins

    sources = standins.experts(2, 128, 256)
    before = copies(sources)
    layer = SimpleNamespace(params_dtype=torch.float32)  # biases of four bytes
    expected = prepare(layer, **copies(sources))
    found = in_place(prepare)(layer, *sources.values())
    assert all(same(one, other) for one, other in zip(found, expected, strict=True))
    assert all(torch.equal(sources[name], before[name]) for name in before)


def gpt_oss_layer(offloaded: bool) -> tuple[Any, Any]:
    """A layer with gpt-oss's parameters, made by vLLM's own method for the Marlin kernels, and that method."""
    import standins
    from vllm.model_executor.layers.fused_moe.oracle.mxfp4 import Mxfp4MoeBackend
    from vllm.model_executor.layers.quantization.mxfp4 import GptOssMxfp4MoEMethod

    method: Any = GptOssMxfp4MoEMethod.__new__(GptOssMxfp4MoEMethod)
    method.moe, method.mxfp4_backend, method.experts_cls = SimpleNamespace(has_bias=True), Mxfp4MoeBackend.MARLIN, None
    method._cache_permute_indices = {}
    layer = torch.nn.Module()
    method.create_weights(layer, 3, 256, 128, torch.bfloat16, weight_loader=print)
    for parameter, source in zip(layer.parameters(), _in_order(standins.experts(3, 128, 256)), strict=True):
        parameter.data.copy_(source)
        if offloaded:
            parameter._vllm_is_uva_offloaded = True
    return layer, method


def _in_order(made: dict[str, Any]) -> list[Any]:
    return [made[name] for name in ("w13", "w13_scale", "w2", "w2_scale", "w13_bias", "w2_bias")]


@pytest.mark.parametrize("offloaded", [False, True])
def test_a_layer_ends_as_without_the_plugin_and_an_offloaded_one_where_it_was(
    prepare: Any, monkeypatch: pytest.MonkeyPatch, offloaded: bool
) -> None:
    from vllm_workstation_plugin import patching, repack

    plain, method = gpt_oss_layer(offloaded)
    method.process_weights_after_loading(plain)
    layer, method = gpt_oss_layer(offloaded)
    places = [parameter.data_ptr() for parameter in layer.parameters()]
    for patch in repack.PATCHES:  # remembered here, so that monkeypatch puts them back
        monkeypatch.setattr(patch.owner(), patch.name, patch.original())
    patching.replace(repack.PATCHES)
    assert all(hasattr(patch.original(), patching.MARK) for patch in repack.PATCHES)
    method.process_weights_after_loading(layer)
    assert all(same(one.data, other.data) for one, other in zip(layer.parameters(), plain.parameters(), strict=True))
    assert [parameter.data_ptr() for parameter in layer.parameters()] == places
    assert [repack.is_offloaded(parameter) for parameter in layer.parameters()] == [offloaded] * 6
    assert layer.w13_weight.weight_loader is print
