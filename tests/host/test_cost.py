"""What --dry tells of a run's downloads, against what the run then moves."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.host.conftest import MakeHost
from tests.host.lab import Host, Lab
from tests.host.product import BIG, inventory, run

LONG = pytest.mark.skipif(
    not os.environ.get("VLLM_WORKSTATION_LONG"), reason="takes minutes: VLLM_WORKSTATION_LONG=1 runs it"
)
pytestmark = [pytest.mark.host, pytest.mark.cpu, LONG]
RECEIVED = "awk '$1 !~ /^lo:/ && NR > 2 {n += $2} END {print n}' /proc/net/dev"


def received(host: Host) -> int:
    """Bytes that the host has received since it started."""
    return int(host.ssh(RECEIVED).stdout)


def test_the_figures_come_true(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """A bare machine receives within a tenth of what was told; before that nothing is written, after it nothing is told."""
    bare, other = host("debian-12", name="bare"), host("wsl-24.04", [BIG], name="other")
    bare.ssh("apt-get -q update")
    where = inventory(lab, tmp_path, [bare, other], "ops", report=str(tmp_path / "out"), model_revision="auto")

    def dry(*limit: str) -> tuple[str, dict[str, Any]]:
        done = run(lab, where, "deploy/full.py", "--dry", *limit)
        assert done.code == 0, done.text
        return done.text, json.loads((tmp_path / "out" / "run.json").read_text())["hosts"]

    text, told = dry()
    assert bare.ssh("ls -A /home/ops/.local/share 2>/dev/null", check=False).stdout == ""
    parts = told["bare"]["cost"]["parts"]
    assert set(parts) == {"Debian packages", "tools", "index", "vLLM", "model"} and None not in parts.values(), parts
    assert told["other"]["cost"]["parts"]["model"] == pytest.approx(13.79e9, rel=0.01)
    assert told["other"]["cost"]["parts"]["CUDA toolkit"] is None
    assert "and the CUDA toolkit" in text and "for 2 of 2 machines" in text, text
    before = received(bare)
    done = run(lab, where, "deploy/full.py", "-y", "--limit", "bare")
    assert done.code == 0, done.text
    moved, known = received(bare) - before, sum(parts.values())
    print(f"told {known / 1e6:.1f} MB, received {moved / 1e6:.1f} MB")
    assert moved == pytest.approx(known, rel=0.1), (parts, moved)
    text, told = dry("--limit", "bare")
    assert "would download nothing" in text and told["bare"]["cost"]["parts"] == {}
