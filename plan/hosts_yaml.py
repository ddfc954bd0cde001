"""A lab as YAML: a list of hosts, groups with hosts, or an Ansible inventory."""

from __future__ import annotations

from typing import Any

import yaml

from plan import hosts_ansible
from plan.hosts_common import DEFAULT, Groups, HostsError, add

ANSIBLE = {"hosts", "children", "vars"}


def read(text: str) -> Groups:
    """Groups of `[{host: pc-01, port: 8001}]`, `{group: [pc-01, {host: pc-02}]}`, or Ansible's `{group: {hosts: {…}}}`. Raises HostsError."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise HostsError(f"{_words(error)}. Mend it; vaults and other tags cannot be read.") from None
    if found is None:
        return {}
    if isinstance(found, list):
        found = {DEFAULT: found}
    if not isinstance(found, dict):
        raise HostsError("it is neither a list of hosts nor groups of them. Begin with - host: pc-01")
    if any(isinstance(body, dict) and ANSIBLE & set(body) for body in found.values()):
        return hosts_ansible.read_groups(found)
    groups: Groups = {}
    for group, hosts in found.items():
        for number, entry in enumerate(_listed(group, hosts), 1):
            _entry(groups, str(group), entry, f"{group}, entry {number}")
    return groups


def _words(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}: " if mark else ""
    return where + (getattr(error, "problem", None) or "this is no YAML")


def _listed(group: str, hosts: Any) -> list[Any]:
    if isinstance(hosts, dict):  # {pc-01: {port: 8001}, pc-02:}
        return [
            {"host": host, **(data or {})} if isinstance(data, dict | None) else data for host, data in hosts.items()
        ]
    if not isinstance(hosts, list):
        raise HostsError(f"{group}: this is no list of hosts. Write - host: pc-01 under it.")
    return hosts


def _entry(groups: Groups, group: str, entry: Any, where: str) -> None:
    data = {"host": entry} if isinstance(entry, str) else entry
    if not isinstance(data, dict) or not isinstance(data.get("host", data.get("name")), str):
        raise HostsError(f"{where}: {entry!r} is no host. Write its name, or host: NAME with its settings.")
    rest = {str(key): value for key, value in data.items() if key not in ("host", "name", "group", "groups")}
    more = data.get("groups") or data.get("group") or []
    for name in dict.fromkeys([group, *([more] if isinstance(more, str) else more)]):
        add(groups, str(name), data.get("host") or data["name"], rest, where)
