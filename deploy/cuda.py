"""The CUDA toolkit and its exports alone."""

from deploy import compose

ws = compose.begin()
compose.base(ws)
compose.toolkit(ws)
