"""The server: user unit or supervisord program, linger, the process, the port and its health."""

from __future__ import annotations

import glob
import hashlib
import http.client
import os
import pwd
import re
from typing import Any, Dict, List, Optional

from . import processes, shell
from .processes import SPEC

PROPERTIES = "LoadState,ActiveState,SubState,UnitFileState,Result,MainPID,NRestarts,NeedDaemonReload,FragmentPath,DropInPaths,ActiveEnterTimestamp"
STARTED = "VLLM_WORKSTATION_STARTED"  # set by tasks/remote/serve.py


def parse_show(text: str) -> Dict[str, str]:
    """`key=value` lines of `systemctl show`."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def parse_tcp(text: str, port: int) -> List[int]:
    """Socket inodes listening on `port` in a /proc/net/tcp or tcp6 table (state 0A)."""
    found = []
    for line in text.splitlines()[1:]:
        match = re.match(r"\s*\d+:\s+[0-9A-F]+:([0-9A-F]{4})\s+\S+\s+0A\s+(?:\S+\s+){5}([0-9]+)\b", line)
        if match and int(match.group(1), 16) == port:
            found.append(int(match.group(2)))
    return found


def holders(port: int) -> List[Dict[str, Any]]:
    """Who listens on `port`: pid and command where /proc shows them to this user, else None for both."""
    inodes = set(
        parse_tcp(shell.read("/proc/net/tcp", 16 << 20) or "", port)
        + parse_tcp(shell.read("/proc/net/tcp6", 16 << 20) or "", port)
    )
    if not inodes:
        return []
    wanted = {"socket:[%d]" % inode for inode in inodes}
    found = [_process(pid) for pid in shell.listing("/proc") if pid.isdigit() and wanted & _sockets(pid)]
    return found or [{"pid": None, "command": None, "spec": None}]


def _sockets(pid: str) -> "set[str]":
    base = "/proc/%s/fd" % pid
    found = set()
    for fd in shell.listing(base):
        try:
            found.add(os.readlink(os.path.join(base, fd)))
        except OSError:
            pass
    return found


def _process(pid: str) -> Dict[str, Any]:
    command = (shell.read("/proc/%s/cmdline" % pid) or "").replace("\0", " ").strip()
    command = re.sub(r"(--api-key[ =])\S+", r"\1***", command)
    return {"pid": int(pid), "command": command[:300], "spec": running_spec(int(pid))}


def running_spec(pid: int) -> Optional[str]:
    """The digest of the plan that a process was started from, out of its environment; None where it is not ours."""
    return processes.environment(pid).get(SPEC)


ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # what listens on all addresses is asked on loopback


def health(port: int, host: str = "127.0.0.1") -> Optional[int]:
    """HTTP status of /health where the server listens; None where nothing answers within 10 s."""
    connection = http.client.HTTPConnection(ANY.get(host, host), port, timeout=10)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def unit(name: str) -> Optional[Dict[str, Any]]:
    """State of a user unit; None where there is no user manager to ask."""
    uid = os.geteuid()
    runtime = "/run/user/%d" % uid
    env = {"XDG_RUNTIME_DIR": runtime, "DBUS_SESSION_BUS_ADDRESS": "unix:path=%s/bus" % runtime}
    if not os.path.exists(runtime + "/bus"):
        return None
    answer = shell.run(["systemctl", "--user", "show", name, "-p", PROPERTIES], env=env)
    shown = parse_show(answer.out)
    if "LoadState" not in shown:
        return None
    pid = int(shown.get("MainPID", "0"))
    return {
        "load": shown["LoadState"],
        "active": shown.get("ActiveState"),
        "sub": shown.get("SubState"),
        "enabled": shown.get("UnitFileState") or None,
        "result": shown.get("Result"),
        "pid": pid or None,
        "restarts": shell.number(shown.get("NRestarts")),
        "needs_reload": shown.get("NeedDaemonReload") == "yes",
        "drop_ins": sorted(shown.get("DropInPaths", "").split()),
        "drop_ins_on_disk": sorted(glob.glob(os.path.expanduser("~/.config/systemd/user/%s.d/*.conf" % name))),
        "spec": running_spec(pid) if pid else None,
        "started": processes.environment(pid).get(STARTED) if pid else None,
    }


def supervised(root: str) -> Optional[Dict[str, Any]]:
    """The server under our supervisord: its pids and the plan it runs; None where supervisord does not run."""
    pid = shell.number(shell.read(root + "/service/supervisord.pid"))
    if pid is None or "supervisord" not in (shell.read("/proc/%d/cmdline" % pid) or ""):
        return None
    children = (shell.read("/proc/%d/task/%d/children" % (pid, pid)) or "").split()
    environments = [processes.environment(int(child)) for child in children]
    ours = next((env for env in environments if SPEC in env), {})
    return {"pid": pid, "spec": ours.get(SPEC), "started": ours.get(STARTED)}


def _digest(key: Optional[str]) -> Optional[str]:
    """What tells one key from another without telling it."""
    return hashlib.sha256(key.strip().encode()).hexdigest()[:16] if key and key.strip() else None


def observe(query: Dict[str, Any]) -> Dict[str, Any]:
    """Everything of this subject."""
    user = pwd.getpwuid(os.geteuid()).pw_name
    root = os.path.expanduser(query["root"])
    listening = holders(query["port"])
    supervisor = supervised(root)
    return {
        "unit": unit(query["unit"]),
        "supervised": supervisor,
        "orphans": processes.orphans(root, query["unit"], supervisor["pid"] if supervisor else None),
        "linger": os.path.exists("/var/lib/systemd/linger/" + user),
        "port_holders": listening,
        "health": health(query["port"], query.get("host") or "127.0.0.1") if listening else None,
        "key_digest": _digest(shell.read(root + "/service/api-key")),
        "key_present": bool(re.search(r"\S", shell.read(root + "/service/api-key") or "")),
        "answered": shell.read(root + "/service/answered"),
        "draining": os.path.exists(root + "/gateway/draining"),
    }
