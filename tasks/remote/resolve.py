"""Ask uv which release there is: candidates in order, the first that resolves is locked with hashes and recorded."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tempfile
import time
from typing import Any, Dict, List, Optional, Tuple

from . import common, lan, registry, wheels

LIMIT = 240  # seconds for one resolution


def choose(root: str, question: Dict[str, Any]) -> Dict[str, Any]:
    """Resolve and record. `question`: key, find_links, candidates [{name, requirements, indexes, …}]. Raises common.Failure."""
    with common.alone(root):
        recorded = common.load(root + "/choice.json")
        known = recorded and recorded.get("key") == question["key"]  # another run has just answered it
        if recorded and known and _kept(root, str(recorded.get("lock"))):
            return dict(recorded)
        return _choose(root, question)


def _kept(root: str, lock: str) -> bool:
    """Whether the lock of an answer is still there."""
    try:
        return bool(wheels.order_of(root, lock))
    except common.Failure:
        return False


def _choose(root: str, question: Dict[str, Any]) -> Dict[str, Any]:
    refused: List[str] = []
    for candidate in question["candidates"]:
        lock, words = _ask(root, candidate, question)
        if lock is None:
            refused.append("%s %s" % (candidate["requirements"][0], words))
            continue
        return _record(root, question["key"], candidate, lock, refused + question["passed"])
    raise common.Failure(
        "no vLLM release could be resolved (%s). Check that this machine reaches those package indexes, then run this again; "
        "what served before still does." % "; ".join(refused)
    )


class Unresolved(Exception):
    """Why a candidate could not be asked for, in a few words."""


def _ask(root: str, candidate: Dict[str, Any], question: Dict[str, Any]) -> Tuple[Optional[str], str]:
    """(lock text, "") or (None, why not). Where an index cannot be asked through the cache, it is asked itself."""

    def work(found: Optional[lan.Lan]) -> Tuple[Optional[str], str]:
        return _resolve(root, candidate, question["find_links"], found)

    return lan.attempt(question.get("cache", ""), work, (Unresolved,))


def _resolve(root: str, candidate: Dict[str, Any], find_links: str, found: Optional[lan.Lan]) -> Tuple[Optional[str], str]:
    """(lock text, "") or (None, why not in a few words). Raises Unresolved where a cache leaves it open."""
    with tempfile.TemporaryDirectory() as folder:
        env = dict(common.environment(root, find_links), UV_HTTP_TIMEOUT="20", UV_HTTP_RETRIES="1")
        if found is not None:
            env = found.environment(env, uv=registry.uv(root))
            candidate = dict(candidate, indexes=[found.to(index) for index in candidate["indexes"]])
        argv = command(root, candidate, folder)
        try:
            done = subprocess.run(
                argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT
            )
        except subprocess.TimeoutExpired:
            if found is not None:
                raise Unresolved("no answer within %d s" % LIMIT) from None
            return None, "was not answered by its indexes within %d s" % LIMIT
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace")
            if found is not None and "No solution found" not in said:
                raise Unresolved(reason(said))
            return None, reason(said)
        with open(folder + "/pylock.toml") as file:
            lock = file.read()
        return lasting(found.back(lock) if found else lock), ""


def lasting(lock: str) -> str:
    """A lock without what an index tells at one time and not at another (sizes, times of upload): the same files are the same lock."""
    return re.sub(r", (?:size = \d+|upload-time = [0-9T:.Z+-]+)(?=[, }])", "", lock)


def command(root: str, candidate: Dict[str, Any], folder: str) -> List[str]:
    """The resolution's command line; requirement files go to `folder`."""
    with open(folder + "/in.txt", "w") as file:
        file.write("\n".join(candidate["requirements"]) + "\n")
    with open(folder + "/overrides.txt", "w") as file:
        file.write("".join("%s ; sys_platform == 'never'\n" % name for name in candidate["overrides"]))
    with open(folder + "/constraints.txt", "w") as file:
        file.write("".join(line + "\n" for line in candidate.get("constraints", [])))
    argv = [
        root + "/tools/bin/uv",
        "pip",
        "compile",
        "--quiet",
        "--no-header",
        "--format",
        "pylock.toml",
        "-o",
        folder + "/pylock.toml",
    ]
    argv += ["--python-version", candidate["python"], "--overrides", folder + "/overrides.txt"]
    argv += ["--constraints", folder + "/constraints.txt"]
    for index in candidate["indexes"]:
        argv += ["--extra-index-url", index]
    if candidate["index_strategy"] != "first-index":
        argv += ["--index-strategy", candidate["index_strategy"]]
    return argv + (["--prerelease", "allow"] if candidate["prerelease"] else []) + [folder + "/in.txt"]


def reason(stderr: str) -> str:
    """uv's explanation, in a few words: a missing version, or an index that does not answer."""
    text = re.sub(r"[\s│├╰─▶×]+", " ", stderr)
    if "No space left on device" in text:
        return "does not resolve: No space left on device"
    missing = re.search(r"there (?:is|are) no versions? of ([^\s,]+)", text)
    if missing:
        return "does not resolve: there is no version of %s" % missing.group(1)
    host = re.search(r"https?://([^/\s`)]+)", text)
    status = re.search(r"\b(4\d\d|5\d\d)\b (?:[A-Z][a-z]+ ?)+", text)
    if re.search(r"invalid peer certificate|UnknownIssuer|certificate verify", text):
        return "cannot be asked for: the certificate of %s is not trusted here" % (
            host.group(1) if host else "its index"
        )
    if re.search(
        r"dns|resolve host|connect|timed? ?out|timeout|unreachable|certificate|HTTP status|error sending request",
        text,
        re.I,
    ):
        return "cannot be asked for: %s %s" % (
            host.group(1) if host else "its index",
            status.group(0).strip() if status else "does not answer",
        )
    if "No solution found" in text:
        because = re.search(r"Because (.{0,160})", text)
        return "does not resolve: %s" % (because.group(1).strip() if because else "no solution")
    return "does not resolve: %s" % (text.strip()[-160:] or "no words from uv")


def _record(root: str, key: str, candidate: Dict[str, Any], lock: str, refused: List[str]) -> Dict[str, Any]:
    digest = hashlib.sha256(lock.encode()).hexdigest()[:16]
    line = "%s on Python %s" % (candidate["requirements"][0], candidate["python"])
    line += " (%s)" % ("; ".join(refused) if refused else candidate["why"])
    choice = {
        "key": key,
        "release": candidate["name"],
        "lock": digest,
        "python": candidate["python"],
        "line": line,
        "at": int(time.time()),
    }
    common.write("%s/locks/%s/pylock.toml" % (root, digest), lock)
    common.write(root + "/choice.json", json.dumps(choice, indent=1))
    return choice
