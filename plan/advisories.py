"""Security advisories of vLLM, and which of them a version has."""

from __future__ import annotations

from typing import Literal

from packaging.version import Version
from pydantic import BaseModel, ConfigDict

from plan.evidence import How
from plan.toml import table

Severity = Literal["low", "medium", "high", "critical"]
ORDER: tuple[Severity, ...] = ("critical", "high", "medium", "low")


class Advisory(BaseModel):
    """One row of plan/advisories.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str
    since: str
    fixed: str | None = None
    severity: Severity
    needs: Literal["port", "other-model"]
    applies: str
    applies_zh: str
    text: str
    text_zh: str
    source: str
    date: str
    how: How

    def __str__(self) -> str:
        end = f"; fixed in {self.fixed}" if self.fixed else ""
        return f"{self.id} ({self.severity}): {self.text}. It matters when {self.applies}{end}."

    def has(self, version: Version) -> bool:
        """Whether a version has the hole. A local build (`0.10.1+gptoss`) counts as its public version."""
        public = Version(version.public)
        return Version(self.since) <= public and (self.fixed is None or public < Version(self.fixed))


def known() -> list[Advisory]:
    """Every advisory of the table, in its order."""
    return [Advisory.model_validate(row) for row in table("advisories")["advisory"]]


def applying(version: Version, exposed: bool, other_model: bool = False) -> list[Advisory]:
    """What can matter of what a version has, the severest first. `exposed`: not only this machine reaches the port."""
    met = {"port": exposed, "other-model": other_model}
    found = [one for one in known() if one.has(version) and met[one.needs]]
    return sorted(found, key=lambda one: ORDER.index(one.severity))
