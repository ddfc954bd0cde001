"""What the gateway does with each outside name: a JSON file, read again at each request.

    pass         to the real one, untouched (the package registries)
    dir          files under DIR/www/NAME
    overlay      files under DIR/www/NAME where there are any, else the real one
    app:MODULE   tests/host/lab/apps/MODULE.py answers
    status:N     every request is answered with status N
    drop         the connection is closed at once
    hang         the connection is accepted and never answered
Any other name is refused (closed).
"""

from __future__ import annotations

import json
from pathlib import Path

STANDINS = {
    "developer.download.nvidia.com": "dir",
    "wheels.vllm.ai": "dir",
    "download.pytorch.org": "dir",
    "huggingface.co": "app:hub",
}


class Rules:
    """The rules file of one lab."""

    def __init__(self, path: Path) -> None:
        """PATH need not be there yet."""
        self.path = path

    def all(self) -> dict[str, str]:
        """Every rule by name."""
        if not self.path.exists():
            return {}
        loaded = json.loads(self.path.read_text())
        return {str(name): str(rule) for name, rule in loaded.items()}

    def of(self, name: str) -> str:
        """The rule of NAME; empty when there is none."""
        return self.all().get(name, "")

    def replace(self, rules: dict[str, str]) -> None:
        """Put RULES in force, in one step."""
        partial = self.path.with_suffix(".part")
        partial.write_text(json.dumps(rules, indent=1))
        partial.rename(self.path)

    def set(self, name: str, rule: str) -> None:
        """Change the rule of one name."""
        self.replace({**self.all(), name: rule})
