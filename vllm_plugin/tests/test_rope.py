"""The shorter table of rotary positions has vLLM's own rows."""
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch cannot be imported here", exc_type=ImportError)
pytestmark = pytest.mark.usefixtures("vllm")


@pytest.mark.parametrize(("context", "rows"), [(48, 64), (96, 112), (200, 128)])  # 128 positions in all, 16 a step
def test_the_rows_of_the_context_stay(monkeypatch: pytest.MonkeyPatch, context: int, rows: int) -> None:
    from vllm import config
    from vllm.model_executor.layers.rotary_embedding.yarn_scaling_rope import YaRNScalingRotaryEmbedding

    from vllm_workstation_plugin.rope import for_the_context

    values: Any = {"base": 150000, "rotary_dim": 64, "scaling_factor": 32.0, "max_position_embeddings": 4, "mscale": 1.3,
                   "beta_fast": 32, "beta_slow": 1, "truncate": False, "extrapolation_factor": 1}
    rope: Any = object.__new__(YaRNScalingRotaryEmbedding)
    torch.nn.Module.__init__(rope)
    vars(rope).update(values)
    serving = SimpleNamespace(
        model_config=SimpleNamespace(max_model_len=context), scheduler_config=SimpleNamespace(max_num_batched_tokens=16)
    )
    monkeypatch.setattr(config, "get_current_vllm_config", lambda: serving)
    original = YaRNScalingRotaryEmbedding._compute_cos_sin_cache
    whole, table = original(rope), for_the_context(original)(rope)
    assert whole.shape == (128, 64) and table.shape == (rows, 64)
    assert torch.equal(table, whole[:rows])
    assert table.untyped_storage().nbytes() == table.nbytes
