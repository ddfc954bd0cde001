"""Experts loaded one by one end as vLLM's own loader puts them."""
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch cannot be imported here", exc_type=ImportError)
pytestmark = pytest.mark.usefixtures("vllm")


def layer(quantization: str = "gpt_oss_mxfp4") -> Any:
    return SimpleNamespace(quant_config=SimpleNamespace(get_name=lambda: quantization))


def loaders() -> tuple[Any, Any, list[int]]:
    """vLLM's loader, the plugin's, and a list that gets the number of experts of each call of vLLM's by the plugin's."""
    from vllm.model_executor.layers.fused_moe.routed_experts import RoutedExperts

    from vllm_workstation_plugin.load import expert_by_expert

    original, calls = RoutedExperts.weight_loader, []

    def counting(self: Any, param: Any, loaded_weight: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(len(loaded_weight))
        return original(self, param, loaded_weight, *args, **kwargs)

    return original, expert_by_expert(counting), calls


@pytest.mark.parametrize(("name", "shape", "padded", "calls_expected"), [
    ("experts.w13_weight", (4, 90, 45), (4, 96, 48), [1] * 4),
    ("experts.w13_weight_scale", (4, 90, 5), (4, 96, 6), [1] * 4),
    ("experts.w2_weight", (4, 64, 64), (4, 64, 64), [1] * 4),
    ("experts.w2_bias", (4, 90), (4, 96), [4]),
])
@pytest.mark.parametrize("return_success", [False, True])
def test_a_padded_parameter(
    name: str, shape: tuple[int, ...], padded: tuple[int, ...], calls_expected: list[int], return_success: bool
) -> None:
    source = torch.randint(0, 256, shape, dtype=torch.uint8)
    expected, found = (torch.nn.Parameter(torch.zeros(padded, dtype=torch.uint8), requires_grad=False) for _ in range(2))
    original, plugin, calls = loaders()
    named = {"weight_name": name, "shard_id": None, "expert_id": None, "return_success": return_success}
    answers = original(layer(), expected, source, **named), plugin(layer(), found, source, **named)
    assert answers[0] is answers[1]
    assert torch.equal(found, expected) and found.any()
    assert calls == calls_expected


def test_other_models_are_loaded_as_ever() -> None:
    from vllm_workstation_plugin.load import is_combined

    whole = torch.zeros(4, 8, 8)
    assert is_combined(layer(), whole, whole)
    assert not is_combined(layer("fp8"), whole, whole)
    assert not is_combined(SimpleNamespace(quant_config=None), whole, whole)
    assert not is_combined(layer(), whole, whole[0])
