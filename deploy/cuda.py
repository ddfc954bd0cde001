"""The CUDA toolkit and its exports alone."""

from deploy import compose

compose.run(compose.BASE, compose.TOOLKIT, name="Set up the CUDA toolkit")
