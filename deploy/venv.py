"""The virtual environment with the chosen vLLM alone; what serves is not switched."""

from deploy import compose

ws = compose.begin()
compose.base(ws)
compose.vllm(ws)
