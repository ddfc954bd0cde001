"""A table for people."""

from __future__ import annotations

import io


def table(title: str, heads: list[str], rows: list[list[str]]) -> str:
    """A table, by rich where it is there."""
    try:
        from rich import box
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        return plain(title, heads, rows)
    made = Table(title=title, box=box.SIMPLE, title_justify="left")
    for head in heads:
        made.add_column(head, justify="left" if head in ("case", "result", "what", "") else "right", no_wrap=True)
    for row in rows:
        made.add_row(*row)
    out = io.StringIO()
    Console(file=out, width=160).print(made)
    return out.getvalue()


def plain(title: str, heads: list[str], rows: list[list[str]]) -> str:
    """The same in columns."""
    widths = [max(len(line[n]) for line in [heads, *rows]) for n in range(len(heads))]
    lines = [
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in [heads, *rows]
    ]
    return "\n".join([title, *lines, ""])
