"""pyinfra's own configuration; read before it connects."""

from pyinfra import config

config.REQUIRE_PYINFRA_VERSION = "~=3.10"
