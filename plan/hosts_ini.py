"""The INI form of an Ansible inventory (Ansible's inventory guide, read 2026-11): read as ansible-core 2.19 reads it."""

from __future__ import annotations

import ast
import re
import shlex

from plan.hosts_ansible import Inventory, flat
from plan.hosts_common import Groups, HostsError, Text

HEADING = re.compile(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:[#;].*)?")


def read(text: str) -> Groups:
    """Groups of the INI form. Raises HostsError with the line."""
    inventory, name, kind = Inventory(), "ungrouped", "hosts"
    unsure: dict[str, int] = {}  # groups that have variables, and where: they may be named further down
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith(("#", ";")):
            continue
        heading = HEADING.fullmatch(line)
        if not heading:
            _line(inventory, name, kind, line, number)
            continue
        name, kind = heading.group(1), heading.group(2) or "hosts"
        if kind not in ("hosts", "children", "vars"):
            raise HostsError(f"line {number}: [{name}:{kind}] is no section. Write [{name}:children] or [{name}:vars].")
        if kind == "vars":
            unsure.setdefault(name, number)
        else:
            inventory.group(name)
    for name, number in unsure.items():
        if name not in inventory.groups:
            raise HostsError(f"line {number}: the group {name} is nowhere. Add [{name}], or mend its name.")
    return flat(inventory)


def _line(inventory: Inventory, name: str, kind: str, line: str, number: int) -> None:
    if kind == "vars":
        key, equals, value = line.partition("=")
        if not equals:
            raise HostsError(f"line {number}: {line!r} is no variable. Write NAME=VALUE.")
        inventory.variables.setdefault(name, {})[key.strip()] = _meant(value.strip(), number)
        return
    try:
        first, *rest = shlex.split(line, comments=True) or [""]
    except ValueError as error:
        raise HostsError(f"line {number}: {error}. Mend the quotes.") from None
    if kind == "children":
        inventory.child(name, first)
        return
    wrong = [word for word in rest if "=" not in word]
    if wrong or "=" in first:
        raise HostsError(f"line {number}: {(wrong or [first])[0]!r} is no NAME=VALUE after a host. Mend it.")
    pairs = (word.split("=", 1) for word in rest)
    inventory.host(name, first, {key: _meant(value, number) for key, value in pairs}, f"line {number}")


def _meant(value: str, number: int) -> Text:
    """A value as Ansible takes it, a Python literal where it is one; numbers stay as they are written."""
    try:
        literal = ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return Text(value, number)
    return Text(literal if isinstance(literal, str) else value.partition("#")[0].strip(), number)
