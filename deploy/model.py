"""The model alone, fetched and checked."""

from deploy import compose

ws = compose.begin()
compose.base(ws)
compose.weights_started(ws)
compose.vllm(ws)
compose.weights(ws)
