"""Become the server: environment file, key, command line of service/plan.json."""

from __future__ import annotations

import os
import secrets
from typing import Dict

from . import common


def run(root: str) -> None:
    """Replace this process by vLLM; what systemd or the user set in the environment wins over our file."""
    plan = common.load(root + "/service/plan.json")
    if not plan:
        raise common.Failure("service/plan.json is missing. Run deploy/full.py again.")
    ours = environment_file(root + "/service/environment")
    for name in common.FOREIGN:
        if name not in ours:
            os.environ.pop(name, None)
    for name, value in ours.items():
        os.environ.setdefault(name, value)
    if plan["key"]:
        os.environ["VLLM_API_KEY"] = key(root)
    os.environ["PATH"] = root + "/current/bin:" + os.environ.get("PATH", "/usr/bin:/bin")
    os.execv(root + "/current/bin/vllm", [root + "/current/bin/vllm"] + plan["arguments"])


def environment_file(path: str) -> Dict[str, str]:
    """`KEY=value` lines."""
    with open(path) as file:
        return dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line and not line.startswith("#"))


def key(root: str) -> str:
    """The API key; made once, readable by the user alone."""
    path = root + "/service/api-key"
    try:
        with open(path) as file:
            found = file.read().strip()
        if found:
            os.chmod(path, 0o600)
            return found
    except OSError:
        pass
    made = "sk-" + secrets.token_urlsafe(32)
    common.write(path, made + "\n", 0o600)
    return made
