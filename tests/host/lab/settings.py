"""Where the lab lives and what it is called; labs coexist with their own LAB_DIR and LAB_TAG."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
"""The root of the working tree that the lab belongs to."""

GUEST = Path(__file__).with_name("guest")
"""Files that run on the hosts."""

SUITE = "bookworm"


class LabError(RuntimeError):
    """The lab itself failed: not the product under test."""


@dataclass(frozen=True)
class Settings:
    """Names and paths of one lab; all state is under `directory`."""

    directory: Path
    tag: str
    net: str

    @classmethod
    def from_environment(cls) -> Settings:
        """LAB_DIR (state), LAB_TAG (names of namespaces, cgroups), LAB_NET (three octets)."""
        return cls(
            directory=Path(os.environ.get("LAB_DIR", "/var/tmp/vllm-workstation-lab")),
            tag=os.environ.get("LAB_TAG", "vwlab"),
            net=os.environ.get("LAB_NET", "10.77.0"),
        )

    @property
    def gateway(self) -> str:
        """The address that every outside name resolves to."""
        return f"{self.net}.1"

    @property
    def www(self) -> Path:
        """Stand-in files, www/NAME/PATH, served by the rules `dir` and `overlay`."""
        return self.directory / "www"

    @property
    def machines(self) -> Path:
        """One directory a host: overlay, pid, console log."""
        return self.directory / "machines"

    @property
    def key(self) -> Path:
        """The ssh key that root, ops and nosudo of every host accept."""
        return self.directory / "key"

    @property
    def known_hosts(self) -> Path:
        """Host keys of the hosts that are up."""
        return self.directory / "known_hosts"
