"""Which weights, from where, and whether what lies on the disk is them."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict

from plan.engine import Engine
from plan.machine import Machine, WeightFile
from plan.settings import Settings
from plan.toml import table

MAIN = "main"


class Model(BaseModel):
    """The weights to serve. `directory` is where they lie on the target; `bytes` what they take there; `download_bytes` of a packaged one.

    `files` maps names to (bytes, sha256) where the revision is pinned here; None asks the hub for them.
    """

    model_config = ConfigDict(frozen=True)
    name: str
    kind: Literal["hub", "packaged", "directory"]
    revision: str
    directory: str
    bytes: int = 0
    download_bytes: int | None = None
    files: dict[str, tuple[int, str]] | None = None
    requirement: str | None = None
    member: str | None = None
    endpoint: str | None = None

    @property
    def served(self) -> str:
        """The name that clients ask for."""
        return self.name if self.kind != "directory" else self.directory.rstrip("/").rpartition("/")[2]

    @property
    def is_gpt_oss(self) -> bool:
        """Whether harmony's rules (reasoning effort, parsers) apply."""
        return "gpt-oss" in self.name.lower()


def choose(machine: Machine, settings: Settings, engine: Engine) -> Model:
    """The model of the settings, or the engine's own."""
    if settings.model.startswith(("/", "~/")):
        path = (
            settings.model.replace("~", machine.system.user.home, 1)
            if settings.model.startswith("~/")
            else settings.model
        )
        return Model(name=path, kind="directory", revision="local", directory=path)
    rows = table("models")["model"]
    own = next(
        (
            row
            for row in rows
            if (row["engine"] == engine if settings.model == "auto" else row["name"] == settings.model)
        ),
        None,
    )
    row = own or {"name": settings.model, "kind": "hub", "revision": MAIN, "bytes": 0}
    revision = row["revision"] if settings.model_revision == "auto" else settings.model_revision
    fields = {key: row[key] for key in ("name", "kind", "bytes", "download_bytes", "requirement", "member") if key in row}
    pinned = row.get("files") if revision == row["revision"] else None  # another revision: the hub's own digests
    directory = f"{machine.releases.root}/models/{slug(row['name'])}-{revision[:12]}"
    endpoint = settings.hf_endpoint.rstrip("/") if row["kind"] == "hub" else None
    return Model(**fields, revision=revision, directory=directory, endpoint=endpoint, files=pinned)


def slug(name: str) -> str:
    """A repository name as one path component."""
    return re.sub(r"[^A-Za-z0-9._-]+", "--", name)


def ready(machine: Machine, model: Model) -> bool:
    """Whether the files on the disk are those whose digests were checked (same sizes and times since)."""
    seen = machine.weights.get(model.directory)
    if seen is None:
        return False
    if model.kind == "directory":
        return "config.json" in seen.files
    record = seen.verified or {}
    files = record.get("files")
    if record.get("revision") != model.revision or not files or not isinstance(files, dict):
        return False
    return all(name in seen.files and _same(seen.files[name], file) for name, file in files.items())


def _same(there: WeightFile, recorded: object) -> bool:
    told = recorded if isinstance(recorded, dict) else {}
    if None not in (there.sha256, told.get("sha256")) and there.sha256 != told["sha256"]:
        return False  # both are known only where the files were read whole
    return (there.size, there.mtime_ns) == (told.get("size"), told.get("mtime_ns"))
