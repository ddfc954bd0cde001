"""The service alone, from a release and a model that are there."""

from deploy import compose

compose.run(compose.BASE, compose.SERVER, name="Set up the service")
