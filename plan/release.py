"""The releases of vLLM that we know: plan/releases.toml, typed."""

from __future__ import annotations

from packaging.version import Version
from pydantic import BaseModel, ConfigDict

from plan.engine import Engine
from plan.toml import table


class Offload(BaseModel):
    model_config = ConfigDict(frozen=True)
    native: bool = False
    wsl: bool = False


class Defect(BaseModel):
    """Something wrong with a release. `applies`: words such as wsl, offload, sm_8.6; none is always."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str
    text: str
    applies: list[str] = []


class Release(BaseModel):
    """One row of plan/releases.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    engine: Engine
    ordered: bool = False
    requirements: list[str]
    indexes: list[str] = []
    index_strategy: str = "first-index"
    prerelease: bool = False
    cuda: str | None = None
    torch: str | None = None
    driver: str = "0"
    driver_until: str = ""
    capability: str = "0"
    pythons: list[str]
    offload: Offload = Offload()
    plugin: bool = False
    graphs: bool = True
    defects: list[Defect] = []
    cpu_flags: list[str] = []
    overrides: list[str] = []
    constraints: list[str] = []
    packages: list[str] = []
    alias: dict[str, str] | None = None
    disk_gib: float
    download_bytes: int | None = None
    evidence: str
    date: str = "2026-11-22"
    note: str

    @property
    def version(self) -> Version:
        """vLLM's own version."""
        return Version(self.requirements[0].partition("==")[2])


def catalogue() -> list[Release]:
    """Every release that is chosen by itself somewhere, in the order of the table."""
    return [Release.model_validate(row) for row in table("releases")["release"]]


def asked() -> list[Release]:
    """Releases for a user's own wish only; each speaks for the versions from its own to the next row's."""
    return [Release.model_validate(row) for row in table("releases").get("asked", [])]
