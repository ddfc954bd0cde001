"""The model alone, fetched and checked."""

from deploy import compose

compose.run(compose.BASE, compose.MODEL_STARTED, compose.CONVERTER, compose.MODEL, name="Fetch the model")
