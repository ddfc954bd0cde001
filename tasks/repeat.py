"""The command line that runs the same again for some hosts."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

NAMED = ("--limit", "--exclude")  # replaced by the hosts themselves
FLAGS = (  # with password in their names, but no value (pyinfra 3.10; a unit test asks it)
    "--use-sudo-password",
    "--same-sudo-password",
    "--ssh-password-prompt",
)
HIDDEN = ("password", "passphrase", "token", "secret")  # parts of the names of options and data whose values are secrets
LOGIN = re.compile(r"://[^/\s]*@")  # a URL with a user's name, and maybe a password, in it
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
        takes = option in NAMED or option == "--data" or _secret(option)
        if takes and not given:
            value = words.pop(0) if words else ""
        if option in NAMED or _secret(option) or (option == "--data" and _tells(value)):
            continue
        kept += [word] if given or not takes else [word, value]
    return kept


def _secret(option: str) -> bool:
    """Whether what follows an option is a secret, however the option is called."""
    return option.startswith("-") and option not in FLAGS and _hidden(option)


def _tells(data: str) -> bool:
    """Whether `key=value` holds a secret."""
    return _hidden(data.partition("=")[0]) or LOGIN.search(data) is not None


def _hidden(name: str) -> bool:
    return any(part in name.lower() for part in HIDDEN)
