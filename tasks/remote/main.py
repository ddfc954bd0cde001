"""The helper's command line: one word, then its arguments. Failures end with status 1 and one sentence on stderr."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any, Callable, Dict, List

from . import (
    build,
    cache,
    chat,
    common,
    convert,
    drain,
    gateway,
    identity,
    jobs,
    manager,
    pinned,
    resolve,
    serve,
    start,
    tools,
    weights,
    wheelhouse,
)


def switch(root: str, lock: str) -> None:
    """Point `current` at a complete release."""
    target = "releases/" + lock
    if not os.path.exists("%s/%s/.complete" % (root, target)):
        raise common.Failure("release %s is not complete. Run deploy/full.py again." % lock)
    path = root + "/current"
    if not os.path.islink(path) or os.readlink(path) != target:
        common.link(path, target)


def server_pid() -> Any:
    """The server's process as its supervisor names it."""
    text = os.environ.get("MAINPID", "")
    return int(text) if text.isdigit() else None


COMMANDS: Dict[str, Callable[..., Any]] = {
    "tools": tools.install,
    "resolve": lambda root, question: print(resolve.choose(root, json.loads(question))["line"]),
    "build": lambda root, order: build.build(root, json.loads(order)),
    "weights": lambda root, order: weights.fetch(root, json.loads(order)),
    "convert": lambda root, order: convert.run(root, json.loads(order)),
    "gguf": convert.gguf_to_safetensors,
    "switch": switch,
    "serve": serve.run,
    "key": lambda root: serve.key(root) and None,
    "chat": lambda root: chat.wait(root, server_pid()),
    "start": start.run,
    "enable": manager.enable,
    "pinned": lambda root, mib: pinned.probe(root, int(mib)),
    "pin": lambda mib: pinned.pin(int(mib)),
    "identity": identity.make,
    "server-key": identity.server_key,
    "cache": cache.run,
    "cache-wait": cache.wait,
    "wheelhouse-give": wheelhouse.give,
    "wheelhouse-take": wheelhouse.take,
    "gateway": gateway.run,
    "gateway-wait": gateway.wait,
    "drain-end": drain.end,
    "job-start": lambda root, name, *argv: print(jobs.start(root, name, list(argv))),
    "job-run": lambda root, name, lock, *argv: sys.exit(jobs.run(root, name, int(lock), list(argv))),
    "job-wait": lambda root, name, seconds: print(json.dumps(jobs.wait(root, name, float(seconds)))),
}


def main(argv: List[str]) -> None:
    """Run one command."""
    os.umask(0o077)
    os.chdir("/")  # nothing of the current directory is imported or read
    try:
        COMMANDS[argv[0]](*argv[1:])
    except common.Failure as failure:
        sys.exit(str(failure))
    except KeyboardInterrupt:
        sys.exit("interrupted. Run this again: it goes on where it stopped.")
    except (OSError, subprocess.SubprocessError) as error:
        sys.exit("%s: %s. Mend that and run this again; what served before still does." % (argv[0], error))
