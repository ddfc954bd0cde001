"""Ansible's inventories: hosts, groups of groups, ranges and the variables that say how to log in.

The form is that of Ansible's documentation (inventory guide, read 2026-11): INI and YAML. A variable becomes a setting only under
the name `vllm_workstation_<setting>`: others may mean something else there, and are kept as notes (`x_…`).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from plan.hosts_common import DEFAULT, Groups, HostsError, add

OURS = "vllm_workstation_"
LOGIN = {
    "ansible_host": "ssh_hostname", "ansible_ssh_host": "ssh_hostname", "ansible_user": "ssh_user", "ansible_ssh_user": "ssh_user",
    "ansible_port": "ssh_port", "ansible_ssh_port": "ssh_port", "ansible_ssh_private_key_file": "ssh_key", "ansible_private_key_file": "ssh_key",
}  # fmt: skip
REFUSED = {
    "ansible_password": "use keys, or --ssh-password-prompt", "ansible_ssh_pass": "use keys, or --ssh-password-prompt",
    "ansible_become_password": "use --use-sudo-password", "ansible_become_pass": "use --use-sudo-password",
    "ansible_ssh_common_args": "write it in ~/.ssh/config", "ansible_ssh_extra_args": "write it in ~/.ssh/config",
}  # fmt: skip


@dataclass
class Group:
    """A group as it is written."""

    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    children: list[str] = field(default_factory=list)
    variables: dict[str, Any] = field(default_factory=dict)


def read_ini(text: str) -> Groups:
    """Groups of the INI form. Raises HostsError with the line."""
    groups: dict[str, Group] = {}
    name, kind = "ungrouped", "hosts"
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith(("#", ";")):
            continue
        if heading := re.fullmatch(r"\[([^\]:]+)(?::(children|vars))?\]\s*(?:[#;].*)?", line):
            name, kind = heading.group(1), heading.group(2) or "hosts"
            groups.setdefault(name, Group())
        else:
            _line(groups.setdefault(name, Group()), kind, line, f"line {number}")
    return flat(groups)


def _line(group: Group, kind: str, line: str, where: str) -> None:
    if kind == "vars":
        key, equals, value = line.partition("=")
        if not equals:
            raise HostsError(f"{where}: {line!r} is no variable. Write NAME=VALUE.")
        group.variables[key.strip()] = _unquoted(value.strip())
        return
    try:
        first, *rest = shlex.split(line, comments=True)
    except ValueError as error:
        raise HostsError(f"{where}: {error}. Mend the quotes.") from None
    if kind == "children":
        group.children.append(first)
        return
    wrong = [word for word in rest if "=" not in word]
    if wrong or "=" in first:
        raise HostsError(f"{where}: {(wrong or [first])[0]!r} is no NAME=VALUE after a host. Mend it.")
    for host in expanded(first, where):
        data = dict(word.split("=", 1) for word in rest)
        address = re.fullmatch(r"([^:]+):(\d+)", host)  # Ansible's pc-01:2222
        if address:
            host, data = address.group(1), {"ansible_port": address.group(2), **data}
        group.hosts.setdefault(host, {}).update(data)


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def expanded(pattern: str, where: str) -> Iterator[str]:
    """`pc-[01:16].lab` as its hosts; letters and a step too. Raises HostsError."""
    found = re.search(r"\[([0-9]+|[a-z]|[A-Z]):([0-9]+|[a-z]|[A-Z])(?::(\d+))?\]", pattern)
    if found is None:
        if re.search(r"[\[\]{}]", pattern):
            raise HostsError(f"{where}: {pattern!r} is no host. A range is written pc-[01:16].lab")
        yield pattern
        return
    low, high, step = found.group(1), found.group(2), int(found.group(3) or 1)
    if low.isdigit() != high.isdigit() or step == 0:
        raise HostsError(f"{where}: the range {found.group()} has no end. A range is written pc-[01:16].lab")
    numbers = range(int(low), int(high) + 1, step) if low.isdigit() else range(ord(low), ord(high) + 1, step)
    if len(numbers) > 10000:
        raise HostsError(f"{where}: the range {found.group()} has {len(numbers)} hosts. Write a smaller one.")
    for number in numbers:
        word = str(number).zfill(len(low)) if low.isdigit() else chr(number)
        yield from expanded(pattern[: found.start()] + word + pattern[found.end() :], where)


def read_groups(found: dict[str, Any]) -> Groups:
    """Groups of the YAML form. Raises HostsError."""
    groups: dict[str, Group] = {}
    for name, body in found.items():
        _group(groups, str(name), body, 0)
    return flat(groups)


def _group(groups: dict[str, Group], name: str, body: Any, depth: int) -> None:
    group = groups.setdefault(name, Group())
    if body is None:
        return
    parts = (
        {key: _mapping(name, key, body) for key in ("hosts", "vars", "children")} if isinstance(body, dict) else None
    )
    if parts is None or depth > 50:
        raise HostsError(f"group {name}: this is no group. Write hosts, children or vars under it.")
    for pattern, data in parts["hosts"].items():
        for host in expanded(str(pattern), f"group {name}"):
            group.hosts.setdefault(host, {}).update(data or {})
    group.variables.update(parts["vars"])
    for child, inner in parts["children"].items():
        group.children.append(str(child))
        _group(groups, str(child), inner, depth + 1)


def _mapping(name: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
    value = body.get(key) or {}
    if not isinstance(value, dict):
        raise HostsError(f"group {name}: {key} is no mapping. Write each of them with a : behind it.")
    return value


def flat(groups: dict[str, Group]) -> Groups:
    """Every group with all its hosts, each with its variables: all, then outer groups, then inner ones, then its own. Raises HostsError."""
    parents = {name: [other for other, group in groups.items() if name in group.children] for name in groups}
    for name, group in groups.items():
        if missing := [child for child in group.children if child not in groups]:
            raise HostsError(f"group {name}: its child {missing[0]} is nowhere. Add [{missing[0]}].")
    merged: dict[str, dict[str, Any]] = {}
    member: dict[str, list[str]] = {}
    for name in sorted(groups, key=lambda name: len(_above(name, parents))):
        for host in groups[name].hosts:
            for above in dict.fromkeys([*(["all"] if "all" in groups else []), *reversed(_above(name, parents)), name]):
                merged.setdefault(host, {}).update(groups[above].variables)
                member.setdefault(host, []).append(above)
    for group in groups.values():
        for host, data in group.hosts.items():
            merged[host].update(data)
    found: Groups = {}
    for host, names in member.items():
        known = [name for name in dict.fromkeys(names) if name not in ("all", "ungrouped")] or [DEFAULT]
        name, data = _translated(host, merged[host])
        for group_name in known:
            add(found, group_name.replace("-", "_").replace(".", "_"), name, data, f"group {group_name}")
    return found


def _above(name: str, parents: dict[str, list[str]], seen: tuple[str, ...] = ()) -> list[str]:
    """The groups around a group, the nearest first. Raises HostsError where they go in a circle."""
    if name in seen:
        raise HostsError(f"group {name} is its own child. Take it out.")
    found: list[str] = []
    for parent in parents.get(name, []):
        found += [parent, *_above(parent, parents, (*seen, name))]
    return found


def _translated(host: str, data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A host as pyinfra knows it. Raises HostsError for what cannot be had here."""
    made: dict[str, Any] = {}
    for key, value in data.items():
        if key in REFUSED:
            raise HostsError(f"{host}: {key} is not used here: {REFUSED[key]}, and take it out of this copy.")
        needed = key in LOGIN or key.startswith(OURS)
        if needed and ("{{" in str(value) or "{%" in str(value)):
            raise HostsError(f"{host}: {key} = {value!r} is a template. Write the value itself in a copy for us.")
        if needed:
            made[LOGIN.get(key) or key.removeprefix(OURS)] = value
        elif not key.startswith("ansible_"):
            made[f"x_{key}"] = value
    local = data.get("ansible_connection") == "local"
    return ("@local" if local else host), made
