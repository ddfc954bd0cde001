"""The model alone."""

from deploy import compose

ws = compose.begin()
compose.base(ws)ncompose.weights_started(ws)ncompose.weights(ws)
