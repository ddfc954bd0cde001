"""Our own tools on the target: uv, huggingface_hub and supervisor in one venv, by hash."""

from __future__ import annotations

import contextlib
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from typing import Optional

from . import common, lan, registry, wheels

MARK = ".complete"
NEEDED = {"uv", "huggingface-hub", "supervisor"}  # plan/tools.py asks for the same


def install(root: str, digest: str, find_links: str, cache: str = "") -> None:
    """Make root/tools hold exactly the locked requirements. Raises common.Failure with pip's last words."""
    with common.alone(root):
        if (common.load(root + "/tools/" + MARK) or {}).get("digest") != digest or not sound(root + "/tools"):
            _install(root, digest, find_links, cache)


def sound(venv: str) -> bool:
    """Whether every file of it is there and whole, as far as size and time tell."""
    found = common.probe("libraries").check(venv)["findings"]
    with contextlib.suppress(OSError, LookupError):
        there = NEEDED <= set(wheels.distributions(venv)) and os.path.exists(venv + "/bin/uv")
        return (
            there and _version(venv) == "%d.%d" % sys.version_info[:2] and all(one["code"] == "OWNER" for one in found)
        )
    return False


def _version(venv: str) -> str:
    """The Python that a venv was made for, `3.12`."""
    with open(venv + "/pyvenv.cfg") as file:
        found = re.search(r"(?m)^version(?:_info)?\s*=\s*(\d+\.\d+)", file.read())
    return found.group(1) if found else ""


def _install(root: str, digest: str, find_links: str, cache: str) -> None:
    venv = root + "/tools"
    requirements = root + "/lib/tools.txt"
    data = pkgutil.get_data("remote", "tools.txt")
    common.write(requirements, (data or b"").decode())
    shutil.rmtree(venv, ignore_errors=True)
    env = common.environment(root, find_links)
    python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
    _call([python, "-m", "venv", venv], env, "Install python3-venv and run this again.")
    argv = [venv + "/bin/python", "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--only-binary", ":all:"]
    remedy = "Check that this machine reaches the Python package index (or set find_links to a folder of wheels) and run this again."

    def get(found: Optional[lan.Lan]) -> None:
        through = found.environment(env, pip=registry.pip(root)) if found else env
        _call(argv + (["--retries", "1"] if found else []) + ["-r", requirements], through, remedy)

    lan.attempt(cache, get, (common.Failure,))
    common.write(os.path.join(venv, MARK), json.dumps({"digest": digest}))


def _call(argv: "list[str]", env: "dict[str, str]", remedy: str) -> None:
    done = subprocess.run(
        argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900
    )
    if done.returncode:
        lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
        raise common.Failure("the tools could not be installed: %s. %s" % (lines[-1] if lines else "no output", remedy))
