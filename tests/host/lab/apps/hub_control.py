"""Faults of the Hugging Face stand-in: a small JSON file, read at each request."""

from __future__ import annotations

import json
from pathlib import Path


class HubControl:
    """Throttle or cut the download of single files."""

    def __init__(self, path: Path) -> None:
        """The file that the gateway reads."""
        self.path = path

    def load(self) -> dict[str, dict[str, int]]:
        """{"rate": {file: bytes/s}, "cut": {file: bytes}, "times": {file: cuts still to make}}."""
        if not self.path.exists():
            return {"rate": {}, "cut": {}, "times": {}}
        loaded: dict[str, dict[str, int]] = json.loads(self.path.read_text())
        return loaded

    def reset(self) -> None:
        """No faults."""
        self.store({"rate": {}, "cut": {}, "times": {}})

    def throttle(self, file: str, rate: int) -> None:
        """Send FILE at RATE bytes a second."""
        faults = self.load()
        faults["rate"][file] = rate
        self.store(faults)

    def cut(self, file: str, after: int, times: int = 1) -> None:
        """Close the connection AFTER bytes of FILE's body, in the next TIMES downloads."""
        faults = self.load()
        faults["cut"][file], faults["times"][file] = after, times
        self.store(faults)

    def store(self, faults: dict[str, dict[str, int]]) -> None:
        """Put FAULTS in force, in one step."""
        partial = self.path.with_suffix(".part")
        partial.write_text(json.dumps(faults))
        partial.rename(self.path)
