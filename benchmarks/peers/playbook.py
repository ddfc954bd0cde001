"""The state as an Ansible playbook, and the settings that make Ansible fast."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.peers.state import Item

TUNED = """[defaults]
host_key_checking = False
forks = 64
gathering = explicit
retry_files_enabled = False
interpreter_python = /usr/bin/python3
stdout_callback = default
{strategy}
[ssh_connection]
pipelining = True
ssh_args = -F none -o ControlMaster=auto -o ControlPersist=60s -o KexAlgorithms=curve25519-sha256 -o UserKnownHostsFile={known_hosts}
control_path_dir = {control}
"""


def configuration(path: Path, control: Path, known_hosts: Path, mitogen: str | None) -> None:
    """ansible.cfg; `mitogen`: where its strategy plugins lie."""
    strategy = f"strategy_plugins = {mitogen}\nstrategy = mitogen_linear\n" if mitogen else ""
    path.write_text(TUNED.format(strategy=strategy, control=control, known_hosts=known_hosts))


def write(found: list[Item], path: Path) -> None:
    """The playbook (JSON is YAML)."""
    play = {"hosts": "all", "gather_facts": False, "tasks": [_task(item) for item in found]}
    path.write_text(json.dumps([play], indent=1))


def _task(item: Item) -> dict[str, Any]:
    path, owner = item.get("path", ""), item.get("owner", "root")
    become = {} if owner == "ops" else {"become": True}
    match item["kind"]:
        case "packages":
            return {"name": "packages", "apt": {"name": item["names"], "state": "present"}, **become}
        case "absent":
            return {"name": "no driver", "apt": {"name": item["name"], "state": "absent"}, **become}
        case "directory":
            return {
                "name": path,
                "file": {"path": path, "state": "directory", "owner": owner, "mode": f"0{item['mode']}"},
                **become,
            }
        case "file":
            return {
                "name": path,
                "copy": {"src": item["source"], "dest": path, "owner": owner, "mode": f"0{item['mode']}"},
                **become,
            }
        case "link":
            return {"name": path, "file": {"path": path, "src": item["target"], "state": "link"}}
        case "line":
            line = {"path": path, "line": item["line"], "regexp": item["match"]}
            return {"name": path, "lineinfile": line, **become}
        case "linger":
            made = {
                "cmd": f"loginctl enable-linger {item['user']}",
                "creates": f"/var/lib/systemd/linger/{item['user']}",
            }
            return {"name": "linger", "command": made, **become}
    bus = {"XDG_RUNTIME_DIR": f"/run/user/{item['uid']}"}
    return {
        "name": "service",
        "systemd": {"name": item["name"], "scope": "user", "state": "started", "enabled": True},
        "environment": bus,
    }
