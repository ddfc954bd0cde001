"""The chosen vLLM, built and tested beside what serves; deploy/service.py switches to it."""

from deploy import compose

compose.run(compose.BASE, compose.VLLM, name="Build the vLLM release")
