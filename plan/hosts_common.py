"""What all lists of hosts have in common."""

from __future__ import annotations

from typing import Any

Groups = dict[str, list[tuple[str, dict[str, Any]]]]
DEFAULT = "lab"  # the group of hosts that name none


class HostsError(ValueError):
    """A list of hosts that cannot be used; the text says where and what to do."""


def add(groups: Groups, group: str, host: str, data: dict[str, Any], where: str) -> None:
    """Put a host in a group. Raises HostsError where it is there with other data already."""
    if not group.isidentifier() or group.startswith("_") or group == "all":
        raise HostsError(
            f"{where}: a group is named {group!r}: allowed are letters, digits and _, and not all. Rename it."
        )
    known = dict(groups.setdefault(group, []))
    if host not in known:
        groups[group].append((host, data))
    elif known[host] != data:
        raise HostsError(f"{where}: {host} stands there twice, with different data. Keep one.")
