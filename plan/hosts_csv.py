"""A lab as a spreadsheet saves it: one host a line, a column a setting."""

from __future__ import annotations

import csv
import io
import re

from plan.hosts_common import DEFAULT, Groups, HostsError, add

HOST, GROUP = ("host", "name", "hostname"), ("group", "groups")


def read(text: str) -> Groups:
    """Groups of a CSV with a header: `host`, `group` (several apart by spaces or ;), settings, ssh_… and x_… columns. Raises HostsError."""
    rows = csv.reader(io.StringIO(text.lstrip("\ufeff")), _dialect(text))
    lines = [(number, [cell.strip() for cell in row]) for number, row in enumerate(rows, 1)]
    lines = [(number, row) for number, row in lines if any(row) and not row[0].startswith("#")]
    if not lines:
        return {}
    (_, header), *rest = lines
    names = [name.lower() for name in header]
    if not set(HOST) & set(names):
        told = ",".join(header)
        raise HostsError(
            f"line 1: no column is called host, of {told}. The first line names the columns, such as host,group,ssh_user"
        )
    if doubled := {name for name in names if name and names.count(name) > 1}:
        raise HostsError(f"line 1: the column {sorted(doubled)[0]} stands there twice. Keep one.")
    groups: Groups = {}
    for number, row in rest:
        _row(groups, names, row, f"line {number}")
    return groups


def _row(groups: Groups, names: list[str], row: list[str], where: str) -> None:
    if len(row) > len(names):
        raise HostsError(
            f"{where}: {len(row)} values for {len(names)} columns. Put quotes around a value with a comma."
        )
    data = {name: value for name, value in zip(names, row, strict=False) if name and value}
    host = next((data.pop(name) for name in HOST if name in data), "")
    if not re.fullmatch(r"@?[\w.:-]+", host):
        raise HostsError(f"{where}: {host!r} is no host. Write a name or an address in the column host.")
    wanted = " ".join(data.pop(name, "") for name in GROUP)
    for group in re.split(r"[\s;|,]+", wanted.strip()) if wanted.strip() else [DEFAULT]:
        add(groups, group, host, dict(data), where)


def _dialect(text: str) -> type[csv.Dialect]:
    """Commas, or what a spreadsheet of another country writes."""
    first = text.lstrip("\ufeff").partition("\n")[0]
    chosen = max(",;\t", key=first.count)

    class Dialect(csv.excel):
        delimiter = chosen

    return Dialect
