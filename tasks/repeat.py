"""The command line that runs the same again for some hosts."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

NAMED = ("--limit", "--exclude")  # replaced by the hosts themselves
SECRET = (
    "--ssh-password",
    "--ssh-key-password",
    "--data",
)  # their values may hold a secret; of --data those that look like one
MOST = 40  # hosts; a longer line is no use on a terminal


def command(argv: Sequence[str], hosts: Sequence[str]) -> str | None:
    """`./run pyinfra -y inventory.py deploy/full.py --limit pc-03`; None where there is none to name. Secrets are left out.

    `argv`: pyinfra's own, its path first.
    """
    if not hosts or len(hosts) > MOST:
        return None
    words = ["./run", "pyinfra", *_kept(list(argv[1:]))]
    for host in hosts:
        words += ["--limit", host]
    return shlex.join(words)


def _kept(words: list[str]) -> list[str]:
    kept: list[str] = []
    while words:
        word = words.pop(0)
        option, given, value = word.partition("=")
        takes = option in (*NAMED, *SECRET)
        if takes and not given:
            value = words.pop(0) if words else ""
        if option in NAMED or (option in SECRET and _secret(option, value)):
            continue
        kept += [word] if given or not takes else [word, value]
    return kept


def _secret(option: str, value: str) -> bool:
    return option != "--data" or any(
        part in value.partition("=")[0].lower() for part in ("password", "token", "secret")
    )
