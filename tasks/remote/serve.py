"""Become the server: environment file, key, command line of service/plan.json."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import secrets
from typing import Any, Dict

from . import build, common, wheels

UNIT_FILE = ".config/systemd/user/vllm-workstation.service"


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
    os.environ.setdefault(
        "SPT_NOENV", "1"
    )  # workers that rename themselves would overwrite the environment we know them by
    os.environ["VLLM_WORKSTATION_STARTED"] = started(root, plan, "INVOCATION_ID" in os.environ)  # systemd's own mark
    if plan["key"]:
        os.environ["VLLM_API_KEY"] = key(root)
    os.environ["PATH"] = root + "/current/bin:" + os.environ.get("PATH", "/usr/bin:/bin")
    os.execv(root + "/current/bin/vllm", [root + "/current/bin/vllm"] + plan["arguments"])


def started(root: str, plan: Dict[str, Any], systemd: bool) -> str:
    """What this start is made from; plan/service.py makes the same of what it wants, so that a later look tells them apart."""
    unit = common.digest(os.path.join(pwd.getpwuid(os.geteuid()).pw_dir, UNIT_FILE)) if systemd else ""
    parts = [plan["arguments"], plan["key"], common.digest(root + "/service/environment"), unit]
    text = json.dumps([*parts, condition(os.path.realpath(root + "/current"))])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def condition(venv: str) -> str:
    """Empty where the release is sound as it is started; else what is wrong, so that a repair starts the server again."""
    built = build.mark_of(venv).get("distributions") or {}
    try:
        there = wheels.distributions(venv)
        if any(there.get(name) != version for name, version in built.items()):
            return "other versions"
        return "damaged" if any(one["level"] != "drift" and one["package"] for one in build.damage(venv)) else ""
    except (OSError, LookupError, ValueError):
        return ""


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
