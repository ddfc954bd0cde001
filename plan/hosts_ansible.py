"""Ansible's inventories: hosts, groups of groups, ranges and the variables that say how to log in.

The rules are those of Ansible's documentation (inventory guide, read 2026-11) and of ansible-core 2.19. A variable becomes a setting only
under the name `vllm_workstation_<setting>`: others may mean something else there, and are kept as notes (`x_…`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from plan.hosts_common import DEFAULT, Groups, HostsError, Lab, Sealed, place

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
BY_SSH = ("ssh", "paramiko", "paramiko_ssh", "smart", "ansible.builtin.ssh")
LOCAL = ("local", "ansible.builtin.local")
WIDEST = 10_000  # hosts of one range


class Inventory:
    """An inventory as it is written."""

    def __init__(self) -> None:
        self.groups: dict[str, dict[str, None]] = {"all": {}, "ungrouped": {}}  # each group's own hosts
        self.parents: dict[str, list[str]] = {}
        self.variables: dict[str, dict[str, Any]] = {}  # of groups
        self.hosts: dict[str, dict[str, Any]] = {}

    def group(self, name: str) -> None:
        """There is such a group."""
        self.groups.setdefault(name, {})

    def child(self, parent: str, name: str) -> None:
        """The group `name` belongs to the group `parent`."""
        self.parents.setdefault(name, []).append(parent)

    def host(self, group: str, pattern: str, data: dict[str, Any], where: str) -> None:
        """The hosts of a pattern, `pc-[01:16].lab` or `pc-01:2222`, are in the group. Raises HostsError."""
        self.group(group)
        address = re.fullmatch(r"(.*[^:]):(\d+)", pattern)
        bare, port = address.groups() if address and ":" not in _without_ranges(address.group(1)) else (pattern, None)
        for name in expanded(bare, where):
            if name not in self.hosts:  # Ansible takes the port where the host is first named
                self.hosts[name] = {"ansible_port": port} if port else {}
            self.hosts[name].update(data)
            self.groups[group][name] = None


def _without_ranges(pattern: str) -> str:
    return re.sub(r"\[[^\]]*\]", "", pattern)


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
    if low.isdigit() and low[0] == "0" and len(low) > 1 and len(low) != len(high):
        raise HostsError(
            f"{where}: the range {found.group()} has ends of different length. Write both with as many digits."
        )
    numbers = range(int(low), int(high) + 1, step) if low.isdigit() else range(ord(low), ord(high) + 1, step)
    if not 0 < len(numbers) <= WIDEST:
        raise HostsError(f"{where}: the range {found.group()} has {len(numbers)} hosts. Write one of 1 to {WIDEST}.")
    for number in numbers:
        word = str(number).zfill(len(low)) if low.isdigit() else chr(number)
        yield from expanded(pattern[: found.start()] + word + pattern[found.end() :], where)


def read(found: dict[str, Any]) -> Groups:
    """Groups of the YAML form. Raises HostsError."""
    inventory = Inventory()
    for name, body in found.items():
        _group(inventory, str(name), body)
    return flat(inventory)


def _group(inventory: Inventory, name: str, body: Any, depth: int = 0) -> None:
    inventory.group(name)
    if body is None:
        return
    if not isinstance(body, dict) or depth > 50:
        raise HostsError(f"group {name}: this is no group. Write hosts, children or vars under it.")
    if strange := [str(key) for key in body if key not in ("hosts", "vars", "children")]:
        raise HostsError(f"group {name}: {strange[0]} is none of hosts, children and vars. Mend it.")
    for pattern, data in _mapping(name, "hosts", body).items():
        if not isinstance(data or {}, dict):
            raise HostsError(f"group {name}: {pattern}: this is no mapping of variables. Write NAME: VALUE under it.")
        inventory.host(name, str(pattern), {str(key): value for key, value in (data or {}).items()}, f"group {name}")
    inventory.variables.setdefault(name, {}).update(_mapping(name, "vars", body))
    for child, inner in _mapping(name, "children", body).items():
        if name != "all":
            inventory.child(name, str(child))
        _group(inventory, str(child), inner, depth + 1)


def _mapping(name: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
    value = body.get(key) or {}
    if not isinstance(value, dict):
        raise HostsError(f"group {name}: {key} is no mapping. Write each of them with a : behind it.")
    return value


def flat(inventory: Inventory) -> Groups:
    """Every group with all its hosts. Raises HostsError.

    A host's variables are those of all, of outer groups, of inner ones (of equals, by name), then its own.
    """
    for child, parents in inventory.parents.items():
        if child not in inventory.groups:
            raise HostsError(f"group {parents[0]}: its child {child} is nowhere. Add [{child}].")
    around = {name: _around(name, inventory.parents) for name in inventory.groups}
    mine: dict[str, set[str]] = {host: set() for host in inventory.hosts}
    for name, hosts in inventory.groups.items():
        for host in hosts:
            mine[host] |= {name, *around[name]}
    lab = Lab()
    for host, names in mine.items():
        data: dict[str, Any] = {}
        inner = names - {"all", "ungrouped"}  # a host of a group is not ungrouped, wherever else it stands
        for name in ["all", *sorted(inner or {"ungrouped"}, key=lambda name: (around[name].get(name, 0), name))]:
            data.update(inventory.variables.get(name, {}))
        known, made = _translated(host, {**data, **inventory.hosts[host]})
        for name in [one for one in inventory.groups if one in inner] or [DEFAULT]:
            lab.add(name.replace("-", "_").replace(".", "_"), known, made, f"group {name}")
    return lab.groups()


def _around(name: str, parents: dict[str, list[str]]) -> dict[str, int]:
    """The groups around a group and itself, each with how deep it lies. Raises HostsError where they go in a circle."""
    found: dict[str, int] = {}

    def depth(one: str, inside: tuple[str, ...]) -> int:
        if one in inside:
            raise HostsError(f"group {one} is its own child. Take it out.")
        if one not in found:
            found[one] = 1 + max((depth(parent, (*inside, one)) for parent in parents.get(one, [])), default=0)
        return found[one]

    depth(name, ())
    return found


def _translated(host: str, data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A host as pyinfra knows it. Raises HostsError for what cannot be had here."""
    made: dict[str, Any] = {}
    for key, value in data.items():
        where = f"{place(value)}{host}: {key}"
        if key in REFUSED:
            raise HostsError(f"{where} is not used here: {REFUSED[key]}, and take it out of this copy.")
        needed = key in LOGIN or key.startswith(OURS)
        if needed and isinstance(value, Sealed):
            raise HostsError(
                f"{where} is {value}, which only Ansible can read. Write the value itself in a copy for us."
            )
        if needed and ("{{" in str(value) or "{%" in str(value)):
            raise HostsError(f"{where} = {value!s} is a template. Write the value itself in a copy for us.")
        if needed:
            made[LOGIN.get(key) or key.removeprefix(OURS)] = value
        elif not key.startswith("ansible_") and not isinstance(value, Sealed):
            made[f"x_{key}"] = value
    connection = data.get("ansible_connection", "ssh")
    if connection not in (*BY_SSH, *LOCAL):
        raise HostsError(
            f"{place(connection)}{host}: ansible_connection = {connection!s} is not ssh. Take the host out of this copy."
        )
    return ("@local" if connection in LOCAL else host), made
