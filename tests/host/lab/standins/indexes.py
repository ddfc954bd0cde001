"""Stand-in Python indexes: the ordered pin's two, PyTorch's CPU index, and the registry overlay.

As upstream: vllm 0.10.1+gptoss needs one torch nightly, which was later deleted; the nightly index
also carries an old typing-extensions, which is what --index-strategy unsafe-best-match is for.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..settings import REPOSITORY
from .wheels import Wheel, index_pages, project_page

PAYLOAD = Path(__file__).with_name("payload")
FLAGS = REPOSITORY / "tests/data/flags"
GPTOSS, NIGHTLY, CPU = (
    "wheels.vllm.ai/gpt-oss",
    "download.pytorch.org/whl/nightly/cu128",
    "download.pytorch.org/whl/cpu",
)
PIN = "0.10.1+gptoss"
PIN_TORCH = "2.9.0.dev20250804+cu128"
RELEASES = {"0.19.1": "2.10.0", "0.24.0": "2.11.0", "0.32.0": "2.13.0", "0.33.0": "2.14.0"}
"""Overlaid vllm releases and the torch that each requires."""
_CUDA = {"2.10.0": "12.8", "2.11.0": "13.0", "2.13.0": "13.0", "2.14.0": "13.0"}
_VLLM_TAG = "cp38-abi3-manylinux1_x86_64"


def build(www: Path, python_index: str) -> None:
    """All indexes under WWW."""
    vllm(PIN, [f"torch=={PIN_TORCH}"]).write(www / GPTOSS / "vllm")
    for version in (PIN_TORCH, "2.9.0.dev20250805+cu128"):
        torch(version, version, "12.8").write(www / NIGHTLY / "torch")
    plain("triton", "3.4.0").write(www / NIGHTLY / "triton")
    plain("typing-extensions", "4.9.0").write(www / NIGHTLY / "typing-extensions")
    for index in (GPTOSS, NIGHTLY):
        index_pages(www / index)
    _registry(www / python_index / "simple")
    _cpu(www / CPU)


def _registry(simple: Path) -> None:
    for version, needed in RELEASES.items():
        cuda = _CUDA[needed]
        vllm(version, [f"torch=={needed}"]).write(simple / "vllm")
        torch(needed, f"{needed}+cu{cuda.replace('.', '')}", cuda).write(simple / "torch")
    project_page(simple / "vllm")
    project_page(simple / "torch")


def _cpu(index: Path) -> None:
    """PyTorch's CPU index: the real wheel of this machine (PIP_FIND_LINKS), linked; else empty."""
    (index / "torch").mkdir(parents=True, exist_ok=True)
    for folder in os.environ.get("PIP_FIND_LINKS", "").split():
        for wheel in Path(folder.removeprefix("file://")).glob("torch-*+cpu-*.whl"):
            (index / "torch" / wheel.name).unlink(missing_ok=True)
            (index / "torch" / wheel.name).symlink_to(wheel.resolve())
    index_pages(index)


def drop_nightly(www: Path) -> None:
    """Delete the pinned nightly, as happened upstream."""
    for wheel in (www / NIGHTLY / "torch").glob("*dev20250804*"):
        wheel.unlink()
    index_pages(www / NIGHTLY)


def restore_nightly(www: Path) -> None:
    """Put it back."""
    torch(PIN_TORCH, PIN_TORCH, "12.8").write(www / NIGHTLY / "torch")
    index_pages(www / NIGHTLY)


def vllm(version: str, requires: list[str], flags: Path | None = None) -> Wheel:
    """A stand-in vllm; FLAGS (default: tests/data/flags) says what its `serve` knows."""
    files = _sources("vllm")
    flags = flags or FLAGS / f"flags-{version.split('+')[0]}.json"
    if flags.exists():
        files["vllm/options.json"] = flags.read_text()
    for package in ("entrypoints", "entrypoints/openai"):
        files[f"vllm/{package}/__init__.py"] = ""
    files["vllm/entrypoints/openai/api_server.py"] = (
        "import sys\nfrom vllm import cli, options\n"
        "if __name__ == '__main__':\n    sys.exit(cli.serve(options.parse(sys.argv[1:])))\n"
    )
    needs = [*requires, "openai", "packaging"]
    return Wheel("vllm", version, needs, files, ["vllm = vllm.cli:main"], _VLLM_TAG)


def torch(version: str, shown: str, cuda: str | None) -> Wheel:
    """A stand-in torch that calls itself SHOWN."""
    files = _sources("torch")
    files["torch/version.py"] = f"__version__ = {shown!r}\ncuda = {cuda!r}\n"
    return Wheel("torch", version, ["typing-extensions>=4.10"], files)


def plain(name: str, version: str) -> Wheel:
    """A wheel with one module that knows its version (typing-extensions: re-exports typing's)."""
    module = name.replace("-", "_")
    text = f"from typing import *  # standin\n__version__ = {version!r}\n"
    return Wheel(name, version, files={f"{module}/__init__.py": text})


def _sources(package: str) -> dict[str, str]:
    top = PAYLOAD / package
    return {f"{package}/{path.relative_to(top)}": path.read_text() for path in sorted(top.rglob("*.py"))}


def clear(www: Path) -> None:
    """Remove what an older recipe built."""
    for name in ("wheels.vllm.ai", "download.pytorch.org"):
        shutil.rmtree(www / name, ignore_errors=True)
