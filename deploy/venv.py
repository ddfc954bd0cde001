"""The virtual environment with the chosen vLLM alone; what serves is not switched."""

from deploy import compose

compose.run(compose.BASE, compose.VLLM, name="Build the vLLM release")
