"""Stand-ins for what hosts download: built once under DIR/www, served by the gateway."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

from ..registry import Registries
from ..settings import Settings
from . import cuda, hub, indexes

_BUILDERS = ("debs.py", "cuda.py", "wheels.py", "indexes.py", "hub.py", "__init__.py")


def build(settings: Settings, registries: Registries) -> None:
    """Everything, when the recipe (these files, the flag lists) is not the one that built it."""
    facts = settings.www / "facts.json"
    recipe = _recipe()
    if facts.exists() and json.loads(facts.read_text())["recipe"] == recipe:
        return
    shutil.rmtree(settings.www, ignore_errors=True)
    settings.www.mkdir(parents=True)
    key, old = cuda.build(settings.www, settings.directory / "gpg")
    indexes.build(settings.www, registries.python_index)
    hub.build(settings.www)
    facts.write_text(json.dumps({"recipe": recipe, "cuda_key": key, "cuda_old_key": old}))


def _recipe() -> str:
    here = Path(__file__).parent
    sources = [here / name for name in _BUILDERS]
    sources += [*sorted(indexes.PAYLOAD.rglob("*.py")), *sorted(indexes.FLAGS.glob("*.json"))]
    parts = [path.read_bytes() for path in sources]
    parts.append(os.environ.get("PIP_FIND_LINKS", "").encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


class Fixtures:
    """What tests ask of the stand-ins; a part of Lab."""

    settings: Settings
    hf_repo = hub.REPO
    hf_revision = hub.revision(2)
    hf_old_revision = hub.revision(1)
    gptoss_index = f"https://{indexes.GPTOSS}/"
    nightly_index = f"https://{indexes.NIGHTLY}/"
    cpu_index = f"https://{indexes.CPU}/"

    @property
    def cuda_key_fingerprint(self) -> str:
        """The key that signs the stand-in repositories (NVIDIA's cannot)."""
        return self._fact("cuda_key")

    @property
    def cuda_old_key_fingerprint(self) -> str:
        """A retired key, in each repository as 7fa2af80.pub; it signs nothing."""
        return self._fact("cuda_old_key")

    @property
    def cuda_old_key(self) -> Path:
        """The retired key, armoured."""
        return next(self.settings.www.glob(f"{cuda.SITE}/**/{cuda.OLD_KEY_FILE}"))

    def _fact(self, name: str) -> str:
        return str(json.loads((self.settings.www / "facts.json").read_text())[name])

    def drop_nightly(self) -> None:
        """The pinned torch nightly is gone, as upstream: the ordered pin no longer resolves."""
        indexes.drop_nightly(self.settings.www)

    def restore_nightly(self) -> None:
        """It is there again."""
        indexes.restore_nightly(self.settings.www)
