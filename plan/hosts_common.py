"""What all lists of hosts have in common."""

from __future__ import annotations

import re
from typing import Any

Groups = dict[str, list[tuple[str, dict[str, Any]]]]
DEFAULT = "lab"  # the group of hosts that name none


class HostsError(ValueError):
    """A list of hosts that cannot be used; the text says where and what to do."""


class Text(str):
    """A value as it was written, with its line in the file. What it means depends on the setting that it is for."""

    line: int

    def __new__(cls, value: str, line: int) -> Text:
        """The text `value`, of line `line` (from 1)."""
        made = super().__new__(cls, value)
        made.line = line
        return made


class Sealed(Text):
    """A value with a tag of its own, such as !vault, which only Ansible can read."""


def place(value: Any) -> str:
    """`line 3: ` where the value knows its line."""
    return f"line {value.line}: " if isinstance(value, Text) else ""


class Lab:
    """Hosts and their groups, in the order of the file. A host that stands there twice is one host with what both say."""

    def __init__(self) -> None:
        self.data: dict[str, dict[str, Any]] = {}
        self.members: dict[str, dict[str, None]] = {}

    def add(self, group: str, host: str, data: dict[str, Any], where: str) -> None:
        """Put a host in a group. Raises HostsError where either has no possible name, or the host has another value of one key already."""
        if not group.isidentifier() or group.startswith("_") or group == "all":
            raise HostsError(
                f"{where}: a group is named {group!r}: allowed are letters, digits and _, and not all. Rename it."
            )
        if not re.fullmatch(r"@local|(@[a-z]+/)?\w[\w.:-]*", host):
            raise HostsError(f"{where}: {host!r} is no host. Write a name or an address.")
        known = self.data.setdefault(host, {})
        for key, value in data.items():
            if known.setdefault(key, value) != value:
                raise HostsError(
                    f"{where}: {host} stands there twice, with different data: {key} = {known[key]!s} and {value!s}. Keep one."
                )
        self.members.setdefault(group, {})[host] = None

    def groups(self) -> Groups:
        """As pyinfra takes them."""
        return {group: [(host, self.data[host]) for host in hosts] for group, hosts in self.members.items()}
