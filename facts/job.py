"""Ask how a background job on the target is doing."""

from __future__ import annotations

import json
from typing import Any

from pyinfra.api import FactBase, QuoteString, StringCommand
from typing_extensions import override

from facts import bundle


class Job(FactBase[dict[str, Any]]):
    """
    Returns the state of a background job after it ends or `seconds` pass:

    .. code:: python

        {"state": "running", "progress": {"bytes": 1, "total": 2, "rate": 3.0}, "lines": ["..."]}
    """

    @staticmethod
    @override
    def default() -> dict[str, Any]:
        return {"state": "none", "lines": []}

    @override
    def command(self, helper: str, root: str, job: str, seconds: int = 5) -> StringCommand:
        ask = StringCommand(
            bundle.PYTHON, QuoteString(helper), "job-wait", QuoteString(root), QuoteString(job), str(seconds)
        )
        return StringCommand(ask, "|| true")

    @override
    def process(self, output: list[str]) -> dict[str, Any]:
        for line in reversed(output):
            if line.startswith("{"):
                found: dict[str, Any] = json.loads(line)
                return found
        return self.default()
