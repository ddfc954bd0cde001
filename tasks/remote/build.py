"""Make a release whole: venv, exactly the lock, what is damaged put back, checked, tested, marked. Nothing is switched here."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from typing import Any, Dict, List, Optional, Sequence

from . import common, jobs, lan, smoke, wheels

INSTALLED = ".installed"
COMPLETE = ".complete"
EVIDENCE = 3  # findings told of a repair that did not help


def build(root: str, order: Dict[str, Any]) -> None:
    """Make releases/<lock> whole. `order`: lock, release, python, alias, find_links, plugin, damaged, stray. Raises common.Failure."""
    venv = "%s/releases/%s" % (root, order["lock"])
    started = time.time()
    env = common.environment(root, order["find_links"])
    lock = wheels.order_of(root, order["lock"])
    there = os.path.exists(os.path.join(venv, INSTALLED)) and wheels.usable(venv)
    if not there:  # one that was installed may be serving: it is mended in place, never emptied
        failed = (common.Failure,)
        lan.attempt(order.get("cache", ""), lambda found: _venv(root, venv, order["python"], _through(found, env)), failed)
    uv = wheels.Uv(root, venv, env, order.get("cache", ""))
    changed = _install(uv, lock, order, there)
    if there and not changed and mark_of(venv).get("distributions") == wheels.distributions(venv):
        common.log("nothing was to be done")
        return
    _mark(venv, order, _tested(uv, lock, order, there), uv.moved, round(time.time() - started, 1))
    jobs.progress(root, "build", {"moved": uv.moved})
    common.log("built in %.0f s" % (time.time() - started))


def _tested(uv: wheels.Uv, lock: str, order: Dict[str, Any], there: bool) -> str:
    """vLLM's version once it starts; one that was there and does not is installed again as a whole."""
    try:
        return smoke.test(uv.root, uv.venv, uv.env)
    except common.Failure:
        if not there:
            raise
    uv.sync(lock, ["--reinstall"])
    _beside(uv, order)
    return smoke.test(uv.root, uv.venv, uv.env)


def _through(found: Optional[lan.Lan], env: Dict[str, str]) -> Dict[str, str]:
    return found.environment(env) if found else env


def _venv(root: str, venv: str, python: str, env: Dict[str, str]) -> None:
    system = "/usr/bin/python%s" % python
    argv = [root + "/tools/bin/uv", "venv", "--quiet", "--clear", "--python"]
    argv += [system if os.path.exists(system) else python, venv]
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        words = done.stdout.decode("utf-8", "replace").strip().splitlines()
        raise common.Failure(
            "Python %s could not be set up: %s. Install python%s and run this again."
            % (python, words[-1] if words else "?", python)
        )


def _install(uv: wheels.Uv, lock: str, order: Dict[str, Any], there: bool) -> bool:
    """Exactly the lock, and ours beside it; whether anything changed."""
    damaged: List[str] = order.get("damaged") or []
    before = wheels.distributions(uv.venv)
    if there:
        wheels.drop_records(uv.venv, damaged)
    _sync(uv, lock, there)
    _beside(uv, order)
    if mark_of(uv.venv):
        if damaged:
            mend(uv, lock, damaged, baseline(uv.venv))
        if order.get("stray"):
            _drop(uv.venv, order["stray"])
    else:
        settle(uv, lock)
    with open(lock) as file:
        common.write(os.path.join(uv.venv, wheels.LOCK), file.read())
    common.write(os.path.join(uv.venv, INSTALLED), json.dumps({"lock": order["lock"]}))
    return bool(damaged or order.get("stray")) or before != wheels.distributions(uv.venv)


def _drop(venv: str, paths: Sequence[str]) -> None:
    """Remove those of these libraries that belong to no distribution now that all are back; only inside the venv."""
    for path in set(paths) - wheels.owned(venv):
        if os.path.realpath(os.path.dirname(path)).startswith(os.path.realpath(venv) + os.sep):
            with contextlib.suppress(OSError):
                os.unlink(path)


def _sync(uv: wheels.Uv, lock: str, there: bool) -> None:
    """Out of the cache where all of it is there: not a byte is moved then."""
    if there:
        try:
            return uv.sync(lock, ["--offline"])
        except common.Failure:
            pass
    return uv.sync(lock)


def _beside(uv: wheels.Uv, order: Dict[str, Any]) -> None:
    if order["alias"]:
        wheels.write_alias(uv.venv, order["alias"])
    if order.get("plugin"):
        uv.install_plugin(order["plugin"])


def mend(uv: wheels.Uv, lock: str, damaged: Sequence[str], known: Sequence[Any]) -> None:
    """Put damaged distributions back: from the cache, else from the index; checked. Raises common.Failure with the evidence."""
    with open(lock) as file:
        locked = wheels.names(file.read())
    names = sorted(set(damaged) & set(locked))
    left = _damage(uv.venv, damaged, known)
    for offline in (True, False):
        wanted = sorted({finding["package"] for finding in left} & set(locked)) or names
        if not left or not wanted:
            break
        if not offline:
            uv.forget(wanted)
        try:
            uv.put_back(lock, wanted, offline)
        except common.Failure:
            if not offline:
                raise
        left = _damage(uv.venv, damaged, known)
    if left:
        told = "; ".join(finding["message"] for finding in left[:EVIDENCE])
        raise common.Failure("put back and still not sound: %s. Report it with the output of deploy/facts.py." % told)


BYTES = ("GONE", "SIZE", "HASH", "BAD-ELF", "HALF")  # what a fresh download puts right


def settle(uv: wheels.Uv, lock: str) -> None:
    """Before the first mark: fetch anew what came damaged out of the cache; what stays is the wheels' own."""
    with open(lock) as file:
        locked = wheels.names(file.read())
    wrong = sorted({one["package"] for one in damage(uv.venv, known=[]) if one["code"] in BYTES} & set(locked))
    if wrong:
        uv.forget(wrong)
        uv.put_back(lock, wrong, offline=False)


def _damage(venv: str, names: Sequence[str], known: Sequence[Any]) -> List[Dict[str, Any]]:
    """What is wrong now, every file of these distributions read; what was so when the release was built does not count.

    Others are looked at too: removing one takes the files with it that it had in common with another.
    """
    return [one for one in damage(venv, list(names), known) if one["package"] in names or one["code"] in BYTES]


def damage(venv: str, hashes: Any = False, known: Optional[Sequence[Any]] = None) -> List[Dict[str, Any]]:
    """What the library check finds that the release did not have when it was built. `hashes`: distributions to read whole."""
    known = baseline(venv) if known is None else known
    found: List[Dict[str, Any]] = common.probe("libraries").check(venv, hashes=hashes)["findings"]
    return [one for one in found if one["cause"] == "package" and signature(venv, one) not in known]


def signature(venv: str, finding: Dict[str, Any]) -> List[Any]:
    """What makes two findings the same one: code, package, and path within the venv."""
    path = finding.get("path") or ""
    return [finding["code"], finding.get("package"), os.path.relpath(path, venv) if path.startswith(venv) else path]


def mark_of(venv: str) -> Dict[str, Any]:
    """What `.complete` says; empty where it is lost or is no mark."""
    found = common.load(os.path.join(venv, COMPLETE))
    return found if isinstance(found, dict) and isinstance(found.get("distributions"), dict) else {}


def baseline(venv: str) -> List[Any]:
    """Findings that the release had when it was built; the wheels' own, which no repair changes."""
    found = mark_of(venv).get("findings")
    return found if isinstance(found, list) else []


def _mark(venv: str, order: Dict[str, Any], version: str, moved: int, seconds: float) -> None:
    """Say that it is complete. A mended release keeps the findings of its first build."""
    first = not mark_of(venv)
    found = common.probe("libraries").check(venv)["findings"] if first else []
    mark = {
        "lock": order["lock"],
        "release": order["release"],
        "vllm": version,
        "bytes": moved,
        "seconds": seconds,
        "at": int(time.time()),
        "distributions": wheels.distributions(venv),
        "findings": [signature(venv, finding) for finding in found] if first else baseline(venv),
    }
    common.write(os.path.join(venv, COMPLETE), json.dumps(mark))
