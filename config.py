"""pyinfra's own configuration; read before it connects."""

import os
import sys

from pyinfra import config

# pyinfra keeps Python from writing compiled modules beside a deploy; reading all of ours anew would cost each run a third of a second.
sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))

from tasks import transport  # noqa: E402

config.REQUIRE_PYINFRA_VERSION = "~=3.10"
config.PARALLEL = transport.install()  # all hosts at once: pyinfra's default of 20 a core would let one slow host delay the 41st
