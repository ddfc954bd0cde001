"""A lab as a spreadsheet saves it: one host a line, a column a setting."""

from __future__ import annotations

import csv
import io
import re

from plan.hosts_common import DEFAULT, Groups, HostsError, Lab, Text

HOST, GROUP = ("host", "name", "hostname"), ("group", "groups")
SEPARATOR = re.compile(r"sep=(.)\s*")  # a first line that tells a spreadsheet what stands between the columns
Row = tuple[int, list[str]]  # its line in the file, and its cells


def read(text: str) -> Groups:
    """Groups of a CSV with a header: `host`, `group` (several apart by spaces or ;), settings, ssh_… and x_… columns. Raises HostsError."""
    lines = [(number, row) for number, row in _rows(text) if any(row) and not row[0].startswith("#")]
    if lines and lines[0][1][0].startswith("sep="):
        lines = lines[1:]
    if not lines:
        return {}
    (first, header), *rest = lines
    names = [name.lower() for name in header]
    if not set(HOST) & set(names):
        told = ",".join(header)
        raise HostsError(
            f"line {first}: no column is called host, of {told}. The first line names the columns, such as host,group,ssh_user"
        )
    if doubled := {name for name in names if name and names.count(name) > 1}:
        raise HostsError(f"line {first}: the column {sorted(doubled)[0]} stands there twice. Keep one.")
    lab = Lab()
    for number, row in rest:
        _row(lab, names, row, number)
    return lab.groups()


def _rows(text: str) -> list[Row]:
    rows, found = csv.reader(io.StringIO(text), _dialect(text), strict=True), []
    try:
        for row in rows:
            found.append((rows.line_num, [cell.strip() for cell in row]))
    except csv.Error as error:
        raise HostsError(f"line {rows.line_num}: {error}. Mend the quotes, or save it as CSV again.") from None
    return found


def _row(lab: Lab, names: list[str], row: list[str], number: int) -> None:
    if any(row[len(names) :]) or any(cell for name, cell in zip(names, row, strict=False) if not name):
        raise HostsError(
            f"line {number}: {len(row)} values for {len(names)} columns. Name each column, and put quotes around a value with a comma."
        )
    data = {name: Text(value, number) for name, value in zip(names, row, strict=False) if name and value}
    host = next((str(data.pop(name)) for name in HOST if name in data), "")
    wanted = " ".join(data.pop(name, Text("", number)) for name in GROUP)
    for group in re.split(r"[\s;|,]+", wanted.strip()) if wanted.strip() else [DEFAULT]:
        lab.add(group, host, dict(data), f"line {number}")


def _dialect(text: str) -> type[csv.Dialect]:
    """Commas, or what a spreadsheet of another country writes."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    first = lines[0] if lines else ""
    chosen = told.group(1) if (told := SEPARATOR.fullmatch(first)) else max(",;\t", key=first.count)

    class Dialect(csv.excel):
        delimiter = chosen

    return Dialect
