"""The service alone, from a release and a model that are there."""

from deploy import compose

ws = compose.begin()
compose.base(ws)
compose.server(ws)
compose.end(ws)
