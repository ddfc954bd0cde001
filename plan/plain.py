"""Text without what a terminal or a page would obey."""

from __future__ import annotations

import re

OBEYED = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
LONGEST = 1000  # characters


def plain(text: str) -> str:
    """At most LONGEST characters, without control characters, marks that turn the direction of writing, and halves of characters."""
    text = text if len(text) <= LONGEST else text[:LONGEST] + "…"
    return OBEYED.sub("", text.replace("\r\n", "\n").replace("\t", " "))
