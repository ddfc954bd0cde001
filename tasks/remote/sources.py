"""As root: switch off apt sources that stand in the way; the lines stay, marked."""

from __future__ import annotations

import os
import sys
from typing import List

MARK = "# disabled by vllm-workstation: "


def disable(text: str, lines: List[int], deb822: bool) -> str:
    """The file with those lines (or the stanzas that start there) switched off."""
    rows = text.splitlines(True)
    for number in sorted(lines, reverse=True):
        if not deb822:
            rows[number - 1] = MARK + rows[number - 1]
            continue
        at = number - 1
        while at < len(rows) and (not rows[at].strip() or rows[at].startswith("#")):
            at += 1
        rows[at:at] = ["Enabled: no\n"]
        end = next((n for n in range(at + 1, len(rows)) if not rows[n].strip()), len(rows))
        rows[at + 1 : end] = [row for row in rows[at + 1 : end] if not row.lower().startswith("enabled:")]
    return "".join(rows)


def main(argv: List[str]) -> None:
    """`FILE LINE [LINE…]`."""
    path, lines = argv[0], [int(word) for word in argv[1:]]
    with open(path) as file:
        text = disable(file.read(), lines, path.endswith(".sources"))
    temporary = path + ".vllm-workstation-new"
    with open(temporary, "w") as file:
        file.write(text)
    os.chmod(temporary, os.stat(path).st_mode & 0o777)
    os.replace(temporary, path)
    sys.stdout.write("%s: %d disabled\n" % (path, len(lines)))
