"""Our vLLM plugin as a wheel, made here from vllm_plugin/ so that the target needs no network for it."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from functools import cache
from pathlib import Path

from plan.toml import parse

SOURCE = Path(__file__).parent.parent / "vllm_plugin"
DATE = (2025, 1, 1, 0, 0, 0)
WHEEL = "Wheel-Version: 1.0\nGenerator: vllm-workstation\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@cache
def version() -> str:
    """The plugin's own version."""
    return str(_project()["version"])


@cache
def wheel() -> bytes:
    """The wheel, the same bytes for the same sources."""
    files = {
        str(path.relative_to(SOURCE)): path.read_bytes() for path in sorted(SOURCE.glob("vllm_workstation_plugin/*.py"))
    }
    info = f"vllm_workstation_plugin-{version()}.dist-info"
    files |= {f"{info}/{name}": text.encode() for name, text in _metadata().items()}
    record = "".join(f"{name},sha256={_digest(body)},{len(body)}\n" for name, body in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(zipfile.ZipInfo(name, DATE), body, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def file_name() -> str:
    """The wheel's file name."""
    return f"vllm_workstation_plugin-{version()}-py3-none-any.whl"


def _project() -> dict[str, object]:
    found: dict[str, object] = parse((SOURCE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def _metadata() -> dict[str, str]:
    points = parse((SOURCE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    entries = "".join(
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in rows.items())
        for group, rows in points.items()
    )
    return {
        "METADATA": f"Metadata-Version: 2.1\nName: vllm-workstation-plugin\nVersion: {version()}\n",
        "WHEEL": WHEEL,
        "entry_points.txt": entries,
    }


def _digest(body: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()
