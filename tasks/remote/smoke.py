"""Does a release start: import it, ask its command line."""

from __future__ import annotations

import subprocess
from typing import Dict, Optional

from . import common, jobs

LIMIT = 600  # seconds; importing vLLM takes 10 to 60
# Import everything the server needs; vLLM's compiled part too, which a PyTorch of another day breaks.
SCRIPT = """
import torch, vllm
from openai import OpenAI
try:
    import vllm._C
except ImportError as error:
    if "undefined symbol" in str(error):
        raise
print(vllm.__version__, torch.__version__)
"""


def test(root: str, venv: str, env: Dict[str, str]) -> str:
    """Import, command line and libraries of a release; returns `vllm --version`. Raises common.Failure."""
    jobs.progress(root, "build", {"stage": "testing that it starts"})
    env = dict(env, VLLM_NO_USAGE_STATS="1", DO_NOT_TRACK="1", HF_HUB_OFFLINE="1")
    tests = [[venv + "/bin/python", "-c", SCRIPT], [venv + "/bin/vllm", "--version"]]
    pipe = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    running = [subprocess.Popen(argv, env=env, cwd="/", **pipe) for argv in tests]  # type: ignore[call-overload]
    answers = []
    for argv, process in zip(tests, running):
        answers.append(_answer(argv, process))
    return answers[1].split()[-1]


def _answer(argv: "list[str]", process: "subprocess.Popen[bytes]") -> str:
    err: Optional[bytes] = None
    try:
        out, err = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired as error:
        process.kill()
        raise common.Failure(
            "the release does not start: %s gave no answer in %d s." % (" ".join(argv[:2]), LIMIT)
        ) from error
    lines = out.decode("utf-8", "replace").strip().splitlines()
    if process.returncode or not lines:
        words = (err or b"").decode("utf-8", "replace").strip().splitlines()
        raise common.Failure(
            "the release does not start: %s (%s). What served still does; run this again, and report it if it stays."
            % (words[-1] if words else "no output", " ".join(argv[1:2]))
        )
    return lines[-1]
