"""pyinfra's own configuration; read before it connects."""

from pyinfra import config

from tasks import transport

config.REQUIRE_PYINFRA_VERSION = "~=3.10"
config.PARALLEL = transport.install()  # all hosts at once: pyinfra's default of 20 a core would let one slow host delay the 41st
