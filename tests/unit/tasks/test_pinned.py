"""How much host memory can be pinned: the real helper against the lab's stand-in driver, and when it is tried."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plan.evidence import Refusal
from plan.plan import Plan
from tasks import pinned as task
from tasks.remote import pinned
from tests.unit.machines import RTX_4070_12, changed, machine
from tests.unit.recorded import REPOSITORY
from tests.unit.tasks import remote

SOURCE = REPOSITORY / "tests" / "host" / "lab" / "guest" / "libcuda.c"
needs_gcc = pytest.mark.skipif(
    not shutil.which("gcc"), reason="gcc, which makes the stand-in driver, is not installed here"
)


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with the helper, and a driver whose facts lie in gpu.json."""
    remote.install(tmp_path)
    library = tmp_path / "libcuda.so.1"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", f'-DFACTS="{tmp_path}/gpu.json"', "-o", library, SOURCE], check=True, timeout=60
    )
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    return tmp_path


def facts(root: Path, **more: Any) -> None:
    """What the stand-in driver says."""
    gpus = [{"memory_total_mib": 12288, "memory_free_mib": 11300}]
    (root / "gpu.json").write_text(json.dumps({"count": 1, "cuda_number": 13000, **more, "gpus": gpus}))


def tried(root: Path, needed: int) -> dict[str, Any]:
    """pinned.json after the helper ran, which must never fail."""
    done = remote.run(root, "pinned", str(root), str(needed))
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads((root / "pinned.json").read_text())
    return found


@needs_gcc
def test_as_much_as_is_needed_and_no_more(rig: Path) -> None:
    facts(rig)
    found = tried(rig, 1300)
    assert (found["mib"], found["asked_mib"], found["driver"], found["error"]) == (1300, 1300, 13000, None)
    assert (found["kernel"], found["total_mib"]) == (os.uname().release, pinned.meminfo()["MemTotal"])


@needs_gcc
def test_a_driver_that_pins_little(rig: Path) -> None:
    """WSL at its worst: after 512 MiB smaller and smaller pieces, until 64 MiB are refused."""
    facts(rig, pin_limit_mib=1000)
    assert (tried(rig, 3000)["mib"], tried(rig, 3000)["error"]) == (960, None)


@needs_gcc
def test_a_driver_that_pins_nothing(rig: Path) -> None:
    facts(rig, pin_limit_mib=0)
    assert tried(rig, 3000)["mib"] == 0


@needs_gcc
def test_never_more_than_a_share_of_what_is_available(rig: Path) -> None:
    facts(rig)
    found = tried(rig, 1 << 30)
    assert 0 < found["mib"] <= found["asked_mib"] < pinned.meminfo()["MemTotal"] * pinned.SHARE, (
        "what was tried, not what was wanted"
    )


@needs_gcc
def test_no_device(rig: Path) -> None:
    facts(rig, count=0)
    found = tried(rig, 3000)
    assert (found["mib"], found["error"]) == (None, "cuInit: CUDA_ERROR_NO_DEVICE")


def test_no_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote.install(tmp_path)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    if not os.path.exists("/usr/lib/x86_64-linux-gnu/libcuda.so.1"):
        assert (tried(tmp_path, 3000)["mib"], tried(tmp_path, 3000)["error"]) == (None, "no libcuda.so.1")


def said(script: str, seconds: float = 20) -> dict[str, Any]:
    """What counts of a trying process."""
    return pinned._told([sys.executable, "-u", "-c", f"import os, time\n{script}"], seconds)


def test_a_process_that_hangs_is_ended_and_its_progress_counts() -> None:
    script = """print('{"mib": 512, "error": null}'); print('{"mib": 10'); time.sleep(60)"""
    assert said(script, 1) == {"mib": 512, "error": "no answer within 1 s"}
    assert said("time.sleep(60)", 0.5) == {"error": "no answer within 0 s"}


def test_a_process_that_dies() -> None:
    assert said('print(\'{"mib": 512, "error": null}\'); os.kill(os.getpid(), 11)') == {
        "mib": 512,
        "error": "ended with status -11",
    }


HERE = machine(RTX_4070_12)
RECORD = {"asked_mib": 5000, "mib": 960, "total_mib": HERE.system.memory.total_mib, "kernel": HERE.system.kernel}


def test_not_beside_our_own_server() -> None:
    assert not task.serves(HERE)
    assert task.serves(changed(HERE, "service", supervised={"pid": 3, "spec": "s"}))
    assert task.serves(changed(HERE, "service", unit={"load": "loaded", "spec": "s"}))


class Fake:
    """A Workstation that finds this record once it has tried."""

    def __init__(self, needed: int | None, found: dict[str, Any] | None, refused: bool = False) -> None:
        self.root, self.needed, self.found, self.refused = "/r", needed, found, refused
        self.host, self.looks, self.print_prefix = self, 0, ""

    @property
    def machine(self) -> Any:
        return changed(HERE, "releases", pinned=self.found if self.looks else None)

    @property
    def plan(self) -> Any:
        refusals = (
            [Refusal(code="RAM", message="too little.", remedy="Add some.")] if self.refused and self.looks else []
        )
        return Plan(kind="native", supervisor="systemd", refusals=refusals, pin_probe_mib=self.needed)

    def forget(self) -> None:
        self.looks += 1


def commands(ws: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[str]]:
    """What the operation runs, and why it does nothing."""
    reasons: list[str] = []
    monkeypatch.setattr(task, "host", SimpleNamespace(noop=reasons.append))
    operation: Any = task.present
    return [command.get_raw_value() for command in operation._inner(ws)], reasons


def test_the_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    ran, reasons = commands(Fake(5000, RECORD), monkeypatch)
    assert len(ran) == 1 and ran[0].endswith("/r/lib/helper.pyz pinned /r 5000") and not reasons
    ran, reasons = commands(Fake(None, None), monkeypatch)
    assert not ran and len(reasons) == 1


def test_a_refusal_that_follows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    ran, _ = commands(Fake(5000, RECORD, refused=True), monkeypatch)
    assert "too little. Add some." in ran[1]


def test_words() -> None:
    assert task.words({**RECORD}) == "0.9 of 4.9 GiB"
    assert task.words({**RECORD, "error": "no answer within 60 s"}) == "0.9 of 4.9 GiB (no answer within 60 s)"
    assert task.words({"error": "no libcuda.so.1"}).startswith("unknown (no libcuda.so.1)")
