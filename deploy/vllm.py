"""The chosen vLLM, built and tested beside what serves; deploy/service.py switches to it."""

from deploy import compose

ws = compose.begin()
compose.base(ws)
compose.vllm(ws)
