"""Stand-in for vLLM: its command line and its HTTP surface, no model."""

from importlib.metadata import version

__version__ = version("vllm")
