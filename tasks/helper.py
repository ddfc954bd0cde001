"""Pack tasks/remote as one zip file that the target's python3 runs, and name the commands in it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import uuid
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pyinfra.api import QuoteString, StringCommand

from facts import bundle
from tasks import plugin

HERE = Path(__file__).parent
TOOLS = HERE.parent / "requirements" / "tools.txt"
DEFAULTS = "vllm_workstation_defaults.py"
PIECE = 96 * 1024  # characters in one command, a multiple of 4; Linux takes 128 KiB an argument
MAIN = "import sys\nfrom remote import main\nmain.main(sys.argv[1:])\n"


@cache
def archive() -> bytes:
    """The zip, the same bytes for the same sources."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        _add(file, "__main__.py", MAIN)
        _add(file, "remote/tools.txt", TOOLS.read_text(encoding="utf-8"))
        _add(file, f"remote/{plugin.file_name()}", plugin.wheel())
        for path in sorted((HERE / "remote").glob("*.py")):
            _add(file, f"remote/{path.name}", path.read_text(encoding="utf-8"))
        for path in sorted((HERE.parent / "facts" / "probe").glob("*.py")):
            _add(file, f"probe/{path.name}", path.read_text(encoding="utf-8"))
    return buffer.getvalue()


def _add(file: zipfile.ZipFile, name: str, text: str | bytes) -> None:
    info = zipfile.ZipInfo(name, (2025, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    file.writestr(info, text)


@cache
def digest() -> str:
    """sha256 of the archive."""
    return hashlib.sha256(archive()).hexdigest()


@cache
def tools_digest() -> str:
    """Digest of the locked tools."""
    return hashlib.sha256(TOOLS.read_bytes()).hexdigest()[:16]


def path(root: str) -> str:
    """Where the archive lies on the target."""
    return f"{root}/lib/helper.pyz"


def command(root: str, *words: str | dict[str, Any]) -> StringCommand:
    """Run one command of the helper; mappings are handed over as JSON."""
    texts = [json.dumps(word, sort_keys=True) if isinstance(word, dict) else word for word in words]
    return StringCommand(bundle.PYTHON, QuoteString(path(root)), *(QuoteString(text) for text in texts))


def job(root: str, name: str, runner: str, *words: str | dict[str, Any]) -> StringCommand:
    """Start a command of the helper in the background, under the interpreter `runner`."""
    texts = [json.dumps(word, sort_keys=True) if isinstance(word, dict) else word for word in words]
    return command(root, "job-start", root, name, runner, path(root), *texts)


def write(target: str, content: bytes, mode: str) -> StringCommand:
    """Write a file in one step, as whoever runs it; its directories are made. A reader sees the old or the new one."""
    body, folder = base64.b64encode(content).decode(), QuoteString(str(Path(target).parent))
    make = StringCommand("mkdir -p", folder, "&& t=$(mktemp -p", folder, ".new-XXXXXXXX)")
    fill = StringCommand("&& printf %s", QuoteString(body), '| base64 -d >"$t" &&', f'chmod {mode} "$t"')
    return StringCommand(make, fill, '&& mv -fT "$t"', QuoteString(target))


def deliver(target: str, content: bytes, mode: str) -> Iterator[StringCommand]:
    """Write a file that is too long for one command in pieces; it appears whole, its digest checked, or not at all."""
    token, folder = uuid.uuid4().hex[:12], QuoteString(str(Path(target).parent))
    part = QuoteString(f"{Path(target).parent}/.new-{token}")
    body = base64.b64encode(content).decode()
    for start in range(0, max(1, len(body)), PIECE):
        first = StringCommand("mkdir -p", folder, "&& : >", part, "&&") if start == 0 else StringCommand()
        yield StringCommand(first, "printf %s", QuoteString(body[start : start + PIECE]), "| base64 -d >>", part)
    check = StringCommand(
        "echo", QuoteString(f"{sha256(content)}  {Path(target).parent}/.new-{token}"), "| sha256sum -c --status"
    )
    yield StringCommand(check, f"&& chmod {mode}", part, "&& mv -fT", part, QuoteString(target))


def fail(sentence: str) -> StringCommand:
    """A command that fails this host alone, with one sentence."""
    return StringCommand("printf '%s\\n'", QuoteString(sentence), ">&2; exit 1")


def sha256(content: bytes) -> str:
    """Digest as the probe reports it."""
    return hashlib.sha256(content).hexdigest()


def defaults() -> bytes:
    """The module that vLLM loads for its --middleware option."""
    return (HERE / "templates" / DEFAULTS).read_bytes()
