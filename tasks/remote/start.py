"""Start the server and wait until it has answered: under systemd, or under supervisord where there never is one."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import Dict, List

from . import common

UNIT = "vllm-workstation.service"


def run(root: str, supervisor: str) -> None:
    """(Re)start and wait. Raises common.Failure with the server's own last words."""
    start = _systemd if supervisor == "systemd" else _supervisord
    try:
        start(root)
    except common.Failure as failure:
        if not go_back(root):
            raise
        start(root)
        raise common.Failure("%s\nWhat served before was started again and answers." % failure) from failure
    remember(root)


KEPT = ("plan.json", "environment")


def remember(root: str) -> None:
    """Keep what has just answered: release, start plan and environment."""
    answered, plan = common.load(root + "/service/answered") or {}, common.load(root + "/service/plan.json") or {}
    if answered.get("spec") != plan.get("spec"):
        return
    for name in KEPT:
        with open("%s/service/%s" % (root, name)) as file:
            common.write("%s/service/good/%s" % (root, name), file.read(), 0o600)
    common.write(root + "/service/good/release", os.readlink(root + "/current"))


def go_back(root: str) -> bool:
    """Put back what answered last; False where there is nothing else to go back to."""
    good = root + "/service/good"
    try:
        with open(good + "/release") as file:
            release = file.read()
        texts = {name: open("%s/%s" % (good, name)).read() for name in KEPT}
    except OSError:
        return False
    same = (common.load(good + "/plan.json") or {}).get("spec") == (common.load(root + "/service/plan.json") or {}).get(
        "spec"
    )
    if same or not os.path.exists("%s/%s/bin/vllm" % (root, release)):
        return False
    for name, text in texts.items():
        common.write("%s/service/%s" % (root, name), text, 0o600)
    common.link(root + "/current", release)
    return True


def _session() -> Dict[str, str]:
    runtime = "/run/user/%d" % os.geteuid()
    return dict(os.environ, XDG_RUNTIME_DIR=runtime, DBUS_SESSION_BUS_ADDRESS="unix:path=%s/bus" % runtime)


def _systemd(root: str) -> None:
    env = _session()
    since = time.time()
    for argv in (["daemon-reload"], ["unmask", UNIT], ["reset-failed", UNIT], ["enable", UNIT]):
        subprocess.run(["systemctl", "--user"] + argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    verb = "start" if _starting(root, env) else "restart"  # one that loads this very plan is waited for
    process = subprocess.Popen(["systemctl", "--user", verb, UNIT], env=env)
    while process.poll() is None:
        time.sleep(1)
        words = journal(env, since, 1)
        common.log(words[-1] if words else "starting")
    if process.returncode:
        _stop_failed(env)
        raise common.Failure(_death(journal(env, since, 200), "journalctl --user -u vllm-workstation"))


def _starting(root: str, env: Dict[str, str]) -> bool:
    """Whether the unit is on its way up with the plan that is wanted."""
    argv = ["systemctl", "--user", "show", UNIT, "-p", "ActiveState", "-p", "MainPID", "--value"]
    words = subprocess.run(argv, env=env, stdout=subprocess.PIPE).stdout.decode().split()
    if "activating" not in words:
        return False
    pid = next((word for word in words if word.isdigit()), "0")
    try:
        with open("/proc/%s/environ" % pid) as file:
            return (
                "VLLM_WORKSTATION_SPEC=%s\0" % (common.load(root + "/service/plan.json") or {}).get("spec")
                in file.read()
            )
    except OSError:
        return False


def _stop_failed(env: Dict[str, str]) -> None:
    """A server that cannot start is left stopped: Restart= would load the model again and again for nothing."""
    subprocess.run(["systemctl", "--user", "stop", UNIT], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def journal(env: Dict[str, str], since: float, count: int) -> List[str]:
    """The unit's last lines since a time."""
    argv = ["journalctl", "--user-unit", UNIT, "--no-pager", "-o", "cat", "-n", str(count), "--since", "@%d" % since]
    done = subprocess.run(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return [line for line in done.stdout.decode("utf-8", "replace").splitlines() if line.strip()]


ERRORS = ("Error", "error:", "failed", "Failure", "out of memory", "refused", "no right answer")


def _death(lines: List[str], where: str) -> str:
    """The most telling lines of a log: errors, without frames and requests; where none is, the last ones."""
    told = [
        line
        for line in lines
        if "stopped while starting" not in line and '"GET /' not in line and '"POST /' not in line
    ]
    telling = [line for line in told if any(word in line for word in ERRORS)]
    words = list(dict.fromkeys(telling or told or lines))[-6:]
    return "the server did not start; %s shows all. Its last words:\n    %s" % (where, "\n    ".join(words))


def _supervisord(root: str) -> None:
    conf = root + "/service/supervisord.conf"
    control = [root + "/tools/bin/python", "-m", "supervisor.supervisorctl", "-c", conf]
    if _alive(root):
        subprocess.run(control + ["update"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        subprocess.run(control + ["restart", "vllm-workstation"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    else:
        subprocess.run(
            [root + "/tools/bin/python", "-m", "supervisor.supervisord", "-c", conf],
            check=True,
            env=common.environment(root),
        )
    pid = None
    for _ in range(100):
        words = subprocess.run(control + ["pid", "vllm-workstation"], stdout=subprocess.PIPE).stdout.decode().strip()
        if words.isdigit() and int(words):
            pid = int(words)
            break
        time.sleep(0.1)
    argv = [root + "/current/bin/python", root + "/lib/helper.pyz", "chat", root]
    code = subprocess.call(argv, env=dict(common.environment(root), MAINPID=str(pid or "")))
    if code:
        subprocess.run(control + ["stop", "vllm-workstation"], stdout=subprocess.DEVNULL)
        raise common.Failure(_death(_log(root), root + "/service/server.log"))


def _alive(root: str) -> bool:
    try:
        with open(root + "/service/supervisord.pid") as file:
            pid = int(file.read())
        os.kill(pid, signal.SIG_DFL)
        with open("/proc/%d/cmdline" % pid) as file:
            return "supervisord" in file.read()
    except (OSError, ValueError):
        return False


def _log(root: str) -> List[str]:
    try:
        with open(root + "/service/server.log", errors="replace") as file:
            return file.read()[-20000:].splitlines()
    except OSError:
        return []
