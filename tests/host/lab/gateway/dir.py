"""The rule `dir`: files under DIR/www/NAME, with HEAD and Range."""

from __future__ import annotations

import mimetypes
import re
from email.utils import formatdate
from pathlib import Path
from urllib.parse import urlsplit

from .answer import Answer

_BLOCK = 1 << 18


def answer(request: Answer) -> None:
    """Serve the file, the directory's index.html, or 404."""
    path = request.file
    if path.is_dir() and not urlsplit(request.path).path.endswith("/"):
        request.reply(301, b"", {"Location": f"{urlsplit(request.path).path}/"})
        return
    if path.is_dir():
        path /= "index.html"
    if path.is_file():
        send_file(request, path)
    else:
        request.reply(404, b"stand-in: no such file\n")


def send_file(request: Answer, path: Path, headers: dict[str, str] | None = None) -> None:
    """PATH, or the part of it that Range asks for."""
    size = path.stat().st_size
    start, end = part(request.headers.get("Range", ""), size)
    every = {
        "Content-Type": mimetypes.guess_type(path.name)[0] or "application/octet-stream",
        "Accept-Ranges": "bytes",
        "Last-Modified": formatdate(path.stat().st_mtime, usegmt=True),
        "Content-Length": str(max(0, end - start)),
    }
    status = 200
    if start >= size > 0:
        request.reply(416, b"", {"Content-Range": f"bytes */{size}"})
        return
    if (start, end) != (0, size) or "Range" in request.headers:
        status = 206
        every["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    request.begin(status, {**every, **(headers or {})})
    if request.command != "HEAD":
        copy(request, path, start, end)


def part(header: str, size: int) -> tuple[int, int]:
    """(start, end) of `bytes=a-b`, `bytes=a-` or `bytes=-n`; the whole for anything else."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip())
    if not match or match.group(0) == "bytes=-":
        return 0, size
    first, last = match.groups()
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size


def copy(request: Answer, path: Path, start: int, end: int) -> None:
    """Send bytes START to END."""
    with path.open("rb") as file:
        file.seek(start)
        while start < end:
            block = file.read(min(_BLOCK, end - start))
            if not block:
                break
            request.body(block)
            start += len(block)
