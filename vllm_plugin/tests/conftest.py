"""Tests of the pure parts always run; those that compare with vLLM's own code need vLLM 0.24.0 (../README.md says how)."""
from __future__ import annotations

import pytest

from vllm_workstation_plugin.switches import is_proven


@pytest.fixture(scope="session")
def vllm() -> None:
    """Skip where the proven vLLM and torch cannot be imported."""
    module = pytest.importorskip("vllm", reason="vLLM cannot be imported here", exc_type=ImportError)
    if not is_proven(module.__version__):
        pytest.skip(f"vLLM is {module.__version__}, not the one that the plugin is proven on")
