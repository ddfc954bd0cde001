"""A lab as YAML: a list of hosts, groups with hosts, or an Ansible inventory."""

from __future__ import annotations

import re
from typing import Any

import yaml

from plan import hosts_ansible
from plan.hosts_common import DEFAULT, Groups, HostsError, Lab, Sealed, Text

ANSIBLE = {"hosts", "children", "vars"}
KEPT = ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")


class Loader(yaml.SafeLoader):
    """Reads values as they are written: 12.10 stays 12.10. A key that stands twice in one mapping is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping. Raises yaml.constructor.ConstructorError for a key that is there already."""
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and keys.count(key.value) > 1 and key.value != "<<":
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} stands there twice", key.start_mark)
        return super().construct_mapping(node, deep)


def _text(loader: Loader, node: yaml.Node) -> Any:
    """A value; one with a tag of its own (!vault) is what only Ansible can read."""
    if isinstance(node, yaml.ScalarNode) and node.tag in ("tag:yaml.org,2002:str", "!unsafe"):
        return Text(str(node.value), node.start_mark.line + 1)
    return Sealed(node.tag, node.start_mark.line + 1)


Loader.yaml_implicit_resolvers = {
    first: [(tag, found) for tag, found in rows if tag in KEPT]
    for first, rows in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_constructor("tag:yaml.org,2002:str", _text)
Loader.add_constructor(None, _text)


def read(text: str) -> Groups:
    """Groups of `[{host: pc-01, port: 8001}]`, `{group: [pc-01, {host: pc-02}]}`, or Ansible's `{group: {hosts: {…}}}`. Raises HostsError."""
    try:
        found = yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise HostsError(f"{_words(error)}. Mend it.") from None
    except (RecursionError, ValueError, TypeError) as error:  # TypeError: a mapping as a key
        raise HostsError(f"this is no YAML that can be read ({type(error).__name__}). Mend it.") from None
    if found is None:
        return {}
    if isinstance(found, list):
        found = {DEFAULT: found}
    if not isinstance(found, dict):
        raise HostsError("it is neither a list of hosts nor groups of them. Begin with - host: pc-01")
    if any(isinstance(body, dict) and ANSIBLE & set(body) for body in found.values()):
        return hosts_ansible.read(found)
    lab = Lab()
    for group, hosts in found.items():
        for number, (host, entry) in enumerate(_listed(group, hosts), 1):
            _entry(lab, str(group), host, entry, f"{group}, entry {number}")
    return lab.groups()


def _words(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}: " if mark else ""
    return where + (getattr(error, "problem", None) or "this is no YAML")


def _listed(group: str, hosts: Any) -> list[tuple[str, Any]]:
    """Entries, each with the name that stands before it; "" where it is in the entry."""
    if isinstance(hosts, dict):  # {pc-01: {port: 8001}, pc-02:}
        return [(str(host), {} if data is None else data) for host, data in hosts.items()]
    if not isinstance(hosts, list):
        raise HostsError(f"{group}: this is no list of hosts. Write - host: pc-01 under it.")
    return [("", entry) for entry in hosts]


def _entry(lab: Lab, group: str, host: str, entry: Any, where: str) -> None:
    data = {"host": entry} if isinstance(entry, str) and not host else entry
    if host and not isinstance(data, dict):
        raise HostsError(f"{where}: {host} is followed by {data!r}. Write its settings under it, as port: 8001.")
    if not host:
        host, data = _taken(data, where)
    rest = {str(key): value for key, value in data.items() if key not in ("group", "groups")}
    more = data.get("groups") or data.get("group") or []
    named = re.split(r"[\s;|,]+", more.strip()) if isinstance(more, str) else more
    if not isinstance(named, list):
        raise HostsError(f"{where}: groups is no list. Write groups: [{DEFAULT}].")
    for name in dict.fromkeys([group, *map(str, named)]):
        lab.add(name, host, rest, where)


def _taken(data: Any, where: str) -> tuple[str, dict[Any, Any]]:
    """A host's name out of its entry, and what else stands there."""
    named = [key for key in ("host", "name") if isinstance(data, dict) and key in data]
    if len(named) > 1:
        raise HostsError(
            f"{where}: both host and name are the machine's name here. Keep one; the setting host goes under NAME: {{host: …}}."
        )
    if not named or not isinstance(data[named[0]], str) or isinstance(data[named[0]], Sealed):
        raise HostsError(f"{where}: {data!r} is no host. Write its name, or host: NAME with its settings.")
    return str(data[named[0]]), {key: value for key, value in data.items() if key != named[0]}
