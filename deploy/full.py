"""Everything: after this a model answers. Run it again to repair."""

from deploy import compose

ws = compose.begin()
compose.base(ws)
compose.weights_started(ws)
compose.toolkit(ws)
compose.vllm(ws)
compose.weights(ws)
compose.server(ws)
compose.end(ws)
