"""`python -m tests.host.lab`: look at lab hosts by hand.

up NAME [--flavour F] [--gpu NAME ...] [--layer L]   ssh NAME [--user U] [COMMAND ...]
run COMMAND ... (here, in the lab's network)   rule NAME RULE   list   stop NAME   down
"""

from __future__ import annotations

import argparse
import os
import sys

from . import Gpu, Lab, LabError, missing
from .host import Host, load
from .settings import Settings


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m tests.host.lab", description=__doc__,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    commands = top.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up")
    up.add_argument("name")
    up.add_argument("--flavour", default="wsl-24.04")
    up.add_argument("--gpu", action="append", help="name of a GPU, or no-driver; repeatable")
    up.add_argument("--layer")
    ssh = commands.add_parser("ssh")
    ssh.add_argument("name")
    ssh.add_argument("--user", default="ops")
    ssh.add_argument("words", nargs=argparse.REMAINDER)
    commands.add_parser("run").add_argument("words", nargs=argparse.REMAINDER)
    rule = commands.add_parser("rule")
    rule.add_argument("name")
    rule.add_argument("rule")
    commands.add_parser("list")
    commands.add_parser("stop").add_argument("name")
    commands.add_parser("down")
    return top


def plain(words: list[str]) -> list[str]:
    """WORDS without the -- that may stand before a command."""
    return words[1:] if words[:1] == ["--"] else words


def existing(lab: Lab, name: str) -> Host:
    """The host NAME."""
    host = load(lab.settings, name)
    if host is None:
        raise LabError(f"no host {name}; there are: {', '.join(lab.host_names()) or 'none'}")
    return host


def main() -> int:
    """Run one command."""
    asked = parser().parse_args()
    if asked.command == "down":
        Lab(Settings.from_environment()).stop()
        return 0
    if reason := missing():
        print(reason, file=sys.stderr)
        return 1
    lab = Lab.start()
    if asked.command == "up":
        names = asked.gpu or []
        gpu = "no-driver" if "no-driver" in names else [Gpu(name=name) for name in names] or None
        host = lab.host(asked.name, flavour=asked.flavour, gpu=gpu, layer=asked.layer)  # type: ignore[arg-type]
        print(host.name, host.address)
    elif asked.command == "ssh":
        words = existing(lab, asked.name).ssh_words(asked.user) + plain(asked.words)
        os.execvp(words[0], words)
    elif asked.command == "run":
        words = lab.command(plain(asked.words))
        os.execvp(words[0], words)
    elif asked.command == "rule":
        lab.rule(asked.name, asked.rule)
    elif asked.command == "list":
        for name in lab.host_names():
            host = existing(lab, name)
            print(name, host.address, "up" if host.machine.process() else "off")
    else:
        existing(lab, asked.name).destroy()
    return 0


if __name__ == "__main__":
    sys.exit(main())
