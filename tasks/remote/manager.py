"""(Re)start the server and wait until it has answered: under systemd, or under supervisord where there never is one.

Both return the lines that the server logged, and raise Died with them where it does not come up.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import Dict, List

from . import common, jobs, serve

UNIT = "vllm-workstation.service"
LINES = 5000  # of a log, at most
EARLIER = 3600  # seconds before now in which a start that is only waited for has begun
TAIL = 400_000  # bytes of supervisord's log, at most
ERRORS = ("Error", "error:", "failed", "Failure", "out of memory", "refused", "no right answer")


class Died(common.Failure):
    """A server that did not come up, with its log."""

    def __init__(self, lines: List[str], where: str) -> None:
        super().__init__(death(lines, where))
        self.lines = lines


def death(lines: List[str], where: str) -> str:
    """The most telling lines of a log: errors, without frames and requests; where none is, the last ones."""
    told = [
        line
        for line in lines
        if "stopped while starting" not in line and '"GET /' not in line and '"POST /' not in line
    ]
    telling = [line for line in told if any(word in line for word in ERRORS)]
    words = list(dict.fromkeys(telling or told or lines))[-6:]
    return "the server did not start; %s shows all. Its last words:\n    %s" % (where, "\n    ".join(words))


def _session() -> Dict[str, str]:
    runtime = "/run/user/%d" % os.geteuid()
    return dict(os.environ, XDG_RUNTIME_DIR=runtime, DBUS_SESSION_BUS_ADDRESS="unix:path=%s/bus" % runtime)


def systemd(root: str) -> List[str]:
    """Start the user unit, whose own start ends with the answer."""
    env = _session()
    since = time.time()
    enable()
    verb = "start" if _starting(root, env) else "restart"  # one that loads this very plan is waited for
    process = subprocess.Popen(["systemctl", "--user", verb, UNIT], env=env, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        time.sleep(1)
        jobs.progress(root, "start", {"stage": (journal(env, since, 1) or ["starting"])[-1][:150]})
    if process.returncode:
        _stop_failed(env)
    lines = journal(env, since - (EARLIER if verb == "start" else 0), LINES)
    if process.returncode:
        raise Died(lines, "journalctl --user -u vllm-workstation" + _own_changes(env))
    return lines


def enable() -> None:
    """Let systemd read the unit again and start it at boot; what runs goes on."""
    for argv in (
        ["daemon-reload"],
        ["unmask", UNIT],
        ["unmask", "--runtime", UNIT],
        ["reset-failed", UNIT],
        ["enable", UNIT],
    ):
        subprocess.run(
            ["systemctl", "--user"] + argv, env=_session(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )


def _starting(root: str, env: Dict[str, str]) -> bool:
    """Whether the unit is on its way up with the plan that is wanted."""
    argv = ["systemctl", "--user", "show", UNIT, "-p", "ActiveState", "-p", "MainPID", "--value"]
    words = subprocess.run(argv, env=env, stdout=subprocess.PIPE).stdout.decode().split()
    if "activating" not in words:
        return False
    pid = next((word for word in words if word.isdigit()), "0")
    plan = common.load(root + "/service/plan.json") or {}
    try:
        with open("/proc/%s/environ" % pid) as file:
            environ = file.read()
        wanted = serve.started(root, plan, systemd=True)
    except (OSError, KeyError):
        return False
    marks = ("VLLM_WORKSTATION_SPEC=%s\0" % plan.get("spec"), "VLLM_WORKSTATION_STARTED=%s\0" % wanted)
    return all(mark in environ for mark in marks)


def _own_changes(env: Dict[str, str]) -> str:
    """The user's drop-ins that take part in a start, for its failure's words."""
    done = subprocess.run(
        ["systemctl", "--user", "show", UNIT, "-p", "DropInPaths", "--value"], env=env, stdout=subprocess.PIPE
    )
    paths = done.stdout.decode("utf-8", "replace").split()
    return " (your own changes in %s take part in it)" % ", ".join(paths) if paths else ""


def _stop_failed(env: Dict[str, str]) -> None:
    """A server that cannot start is left stopped: Restart= would load the model again and again for nothing."""
    subprocess.run(["systemctl", "--user", "stop", UNIT], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def journal(env: Dict[str, str], since: float, count: int) -> List[str]:
    """The unit's last lines since a time."""
    argv = ["journalctl", "--no-pager", "-o", "cat", "-n", str(count), "--since", "@%d" % since]
    argv += common.probe("logs").matches(UNIT)
    done = subprocess.run(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return [line for line in done.stdout.decode("utf-8", "replace").splitlines() if line.strip()]


def supervisord(root: str) -> List[str]:
    """Start the program, and ask it."""
    conf, log = root + "/service/supervisord.conf", root + "/service/server.log"
    control = [root + "/tools/bin/python", "-m", "supervisor.supervisorctl", "-c", conf]
    begin = os.path.getsize(log) if os.path.exists(log) else 0
    if _alive(root):
        subprocess.run(control + ["update"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        subprocess.run(control + ["restart", "vllm-workstation"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    else:
        subprocess.run(
            [root + "/tools/bin/python", "-m", "supervisor.supervisord", "-c", conf],
            check=True,
            env=common.environment(root),
        )
    argv = [root + "/current/bin/python", root + "/lib/helper.pyz", "chat", root]
    code = subprocess.call(argv, env=dict(common.environment(root), MAINPID=_pid(control)))
    if code:
        subprocess.run(control + ["stop", "vllm-workstation"], stdout=subprocess.DEVNULL)
        raise Died(_log(log, begin), log)
    return _log(log, begin)


def _pid(control: List[str]) -> str:
    """The program's process once there is one; empty where there is none within 10 s."""
    for _ in range(100):
        words = subprocess.run(control + ["pid", "vllm-workstation"], stdout=subprocess.PIPE).stdout.decode().strip()
        if words.isdigit() and int(words):
            return words
        time.sleep(0.1)
    return ""


def _alive(root: str) -> bool:
    try:
        with open(root + "/service/supervisord.pid") as file:
            pid = int(file.read())
        os.kill(pid, signal.SIG_DFL)
        with open("/proc/%d/cmdline" % pid) as file:
            return "supervisord" in file.read()
    except (OSError, ValueError):
        return False


def _log(path: str, begin: int) -> List[str]:
    """What a log holds from a place on; all of its end where it was turned over since."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(begin if begin <= size else 0, size - TAIL))
            return [line for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
    except OSError:
        return []
