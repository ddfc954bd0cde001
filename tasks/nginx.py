"""nginx as a programme: installed without its own server being started."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pyinfra.api import StringCommand

from tasks.packages import APT, UPDATE

# Debian starts a web server on port 80 with the package: a unit that is masked while it is installed is not started.
QUIET = """
set -e
S=/run/systemd/system
test ! -d $S || systemctl mask --quiet nginx.service
trap 'test ! -d $S || { systemctl unmask --quiet nginx.service; systemctl disable --quiet nginx.service || true; }' EXIT
%(apt)s install --no-install-recommends %(names)s || { %(update)s; %(apt)s install --no-install-recommends %(names)s; }
"""
SORRY = "nginx could not be installed. See apt above; then run this again."


def installed(names: Sequence[str], as_root: Any) -> Iterator[StringCommand]:
    """Commands that install these of nginx and openssl; a server that was there goes on as it is. `as_root`: makes a command root's."""
    if not names:
        return
    plain = f"{APT} install --no-install-recommends %(names)s || {{ {UPDATE}; {APT} install --no-install-recommends %(names)s; }}"
    script = (QUIET if "nginx" in names else plain) % {"apt": APT, "names": " ".join(names), "update": UPDATE}
    yield as_root(f"( {script.strip()}\n) || {{ echo '{SORRY}' >&2; exit 1; }}")
