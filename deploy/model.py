"""The model alone, fetched and checked."""

from deploy import compose

ws = compose.begin()
compose.base(ws)
compose.weights_started(ws)
if ws.plan and ws.plan.engine == "cpu":  # the small model is converted with vLLM's own libraries
    compose.vllm(ws)
compose.weights(ws)
