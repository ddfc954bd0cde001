"""Converged machines: one a group and session, made anew from its layer where a fault was left on it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.host.lab import Host, Lab
from tests.host.lab.standins.realtorch import REAL, real_torch
from tests.host.product import BIG, inventory, run

ROOT = "/home/ops/.local/share/vllm-workstation"
# Its start ends after it has answered: until then a fault would hit a server that is still starting.
ACTIVE = "runuser -u ops -- env XDG_RUNTIME_DIR=/run/user/1000 systemctl --user is-active -q vllm-workstation"
HEALTHY = (
    f"for i in $(seq 150); do curl -sf http://127.0.0.1:8000/health && {ACTIVE} && exit 0; sleep 0.2; done; exit 1"
)
FLAVOURS = {"wsl": "wsl-24.04", "libraries": "ubuntu-24.04"}
SETTINGS: dict[str, dict[str, Any]] = {"wsl": {}, "libraries": {"vllm_release": REAL}}
SAVED: set[str] = set()  # groups whose layer this session made


class Machines:
    """The machine of each group, as the last fault left it or fresh."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        """FOLDER is for inventories."""
        self.lab, self.folder = lab, folder
        self.up: dict[str, Host] = {}
        kept = (lab.directory / "layers").glob("faults-*") if os.environ.get("FAULTS_LAYERS") == "kept" else []
        SAVED.update(path.name.removeprefix("faults-") for path in kept)  # of an earlier session, for work by hand

    def get(self, group: str) -> Host:
        """A converged machine."""
        if group not in self.up:
            self.up[group] = self._from_layer(group) if group in SAVED else self._first(group)
        return self.up[group]

    def _first(self, group: str) -> Host:
        self.lab.destroy(f"faults-{group}")
        machine = self.lab.host(f"faults-{group}", FLAVOURS[group], [BIG])
        ended = run(self.lab, self.where(machine), "deploy/full.py", "-y")
        assert ended.code == 0, ended.text
        machine.ssh(
            f"mkdir -p /root/faults && cd /root/faults && cp {ROOT}/choice.json . && apt-get -q download cuda-nvcc-12-8"
        )
        if group != "libraries":  # 5 GB: made anew instead, should it ever be spoiled
            machine.save_layer(f"faults-{group}")
            SAVED.add(group)
        machine.ssh(HEALTHY)
        return machine

    def _from_layer(self, group: str) -> Host:
        self.lab.destroy(f"faults-{group}")
        machine = self.lab.host(f"faults-{group}", FLAVOURS[group], [BIG], layer=f"faults-{group}")
        machine.ssh(HEALTHY)
        return machine

    def spoil(self, group: str) -> None:
        """Its machine is not what it was: the next one is fresh."""
        if machine := self.up.pop(group, None):
            machine.destroy()

    def close(self) -> None:
        """All of them go."""
        for group in list(self.up):
            self.spoil(group)

    def where(self, machine: Host, **settings: Any) -> Path:
        """An inventory of one machine."""
        group = machine.name.removeprefix("faults-")
        return inventory(
            self.lab, self.folder, [machine], "ops", **{**SETTINGS[group], **self._links(group), **settings}
        )

    def _links(self, group: str) -> dict[str, str]:
        return {"find_links": real_torch(self.lab)} if group == "libraries" else {}
