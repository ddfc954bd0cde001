"""The Hugging Face stand-in: what huggingface_hub asks of huggingface.co (read in 2.4).

/api/models/REPO[/revision/REV] (?blobs=true), /api/models/REPO/tree/REV, paths-info, and
/REPO/resolve/REV/FILE with X-Repo-Commit, ETag and, for large files, X-Linked-Etag and -Size.
No X-Xet-* headers: clients fall back to plain HTTP with Range.
"""

from __future__ import annotations

import json
import re
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ..gateway.answer import Answer
from ..gateway.dir import part
from ..standins.hub import REPO, SITE
from .hub_control import HubControl

_LOCK = threading.Lock()
_API = re.compile(rf"/api/models/{REPO}(?:/(revision|tree|paths-info)/([^/]+))?(?:/(.*))?")
_FILE = re.compile(rf"/{REPO}/(?:resolve|raw)/([^/]+)/(.+)")
Entry = dict[str, Any]


def answer(request: Answer) -> None:
    """API, file, or the errors of the real one."""
    url = urlsplit(request.path)
    facts = json.loads((request.state / "www" / SITE / "facts.json").read_text())
    if match := _API.fullmatch(unquote(url.path)):
        kind, name, below = match.groups()
        revision = _revision(request, facts, name or "main")
        if revision:
            _api(request, facts["revisions"][revision], revision, kind, below or "", url.query)
    elif match := _FILE.fullmatch(unquote(url.path)):
        revision = _revision(request, facts, match.group(1))
        if revision:
            _file(request, facts["revisions"][revision], revision, match.group(2))
    else:
        _error(request, 401, "RepoNotFound", "Repository not found (stand-in)")


def _revision(request: Answer, facts: dict[str, Any], name: str) -> str:
    found = facts["refs"].get(name) or next((r for r in facts["revisions"] if r == name), "")
    if not found:
        _error(request, 404, "RevisionNotFound", f"Invalid rev id: {name}")
    return str(found)


def _error(request: Answer, status: int, code: str, message: str) -> None:
    headers = {"X-Error-Code": code, "X-Error-Message": message}
    request.reply(status, json.dumps({"error": message}).encode(), headers)


def _api(request: Answer, entries: list[Entry], revision: str, kind: str, below: str, query: str) -> None:
    body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
    value: object
    if kind == "tree":
        value = _tree(entries, below, parse_qs(query).get("recursive", ["false"])[0])
    elif kind == "paths-info":
        wanted = parse_qs(body.decode()).get("paths") or json.loads(body).get("paths", [])
        value = [_tree_file(entry) for entry in entries if entry["path"] in wanted]
    else:
        blobs = parse_qs(query).get("blobs", ["false"])[0].lower() in ("true", "1")
        value = _info(entries, revision, blobs)
    request.reply(200, json.dumps(value).encode(), {"Content-Type": "application/json"})


def _info(entries: list[Entry], revision: str, blobs: bool) -> object:
    moment = "2025-08-05T00:00:00.000Z"
    return {
        "_id": "standin", "id": REPO, "modelId": REPO, "author": "openai", "sha": revision,
        "private": False, "gated": False, "disabled": False, "downloads": 1, "likes": 1,
        "tags": ["standin"], "lastModified": moment, "createdAt": moment,
        "siblings": [_sibling(entry, blobs) for entry in entries],
    }  # fmt: skip


def _sibling(entry: Entry, blobs: bool) -> Entry:
    sibling = {"rfilename": entry["path"]}
    if blobs:
        sibling |= {"size": entry["size"], "blobId": entry["blob"]}
        if entry["sha256"]:
            sizes = {"size": entry["size"], "pointerSize": 135}
            sibling["lfs"] = {"sha256": entry["sha256"], **sizes}
    return sibling


def _tree(entries: list[Entry], below: str, recursive: str) -> list[Entry]:
    prefix = f"{below.rstrip('/')}/" if below else ""
    inside = [entry for entry in entries if entry["path"].startswith(prefix)]
    files = [_tree_file(entry) for entry in inside]
    folders = sorted({str(Path(e["path"]).parent) for e in inside if "/" in e["path"][len(prefix) :]})
    found = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": name} for name in folders]
    if recursive.lower() not in ("true", "1"):
        files = [file for file in files if "/" not in file["path"][len(prefix) :]]
    return [*found, *files]


def _tree_file(entry: Entry) -> Entry:
    file = {"type": "file", "oid": entry["blob"], "size": entry["size"], "path": entry["path"]}
    if entry["sha256"]:
        file["lfs"] = {"oid": entry["sha256"], "size": entry["size"], "pointerSize": 135}
    return file


def _file(request: Answer, entries: list[Entry], revision: str, name: str) -> None:
    entry = next((entry for entry in entries if entry["path"] == name), None)
    headers = {"X-Repo-Commit": revision, "Accept-Ranges": "bytes"}
    if entry is None:
        headers |= {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"}
        request.reply(404, b"Entry not found", headers)
        return
    etag = f'"{entry["sha256"] or entry["blob"]}"'
    headers["ETag"] = etag
    if entry["sha256"]:
        headers |= {"X-Linked-Etag": etag, "X-Linked-Size": str(entry["size"])}
    path = request.state / "www" / SITE / revision / name
    start, end = part(request.headers.get("Range", ""), entry["size"])
    headers |= {"Content-Type": "application/octet-stream", "Content-Length": str(end - start)}
    if start >= entry["size"] > 0:
        request.reply(416, b"", {"Content-Range": f"bytes */{entry['size']}"})
        return
    if "Range" in request.headers:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{entry['size']}"
    request.begin(206 if "Range" in request.headers else 200, headers)
    if request.command != "HEAD":
        _send(request, path.read_bytes()[start:end], name)


def _send(request: Answer, data: bytes, name: str) -> None:
    """The body, with the faults that are in force for this file."""
    rate, limit = _faults(HubControl(request.state / "hub.json"), name)
    step = max(1, rate // 20) if rate else 1 << 18
    for start in range(0, min(len(data), limit), step):
        request.body(data[start : min(start + step, limit)])
        if rate:
            request.wfile.flush()
            time.sleep(step / rate)
    if limit < len(data):
        request.wfile.flush()
        request.close_connection = True


def _faults(control: HubControl, name: str) -> tuple[int, int]:
    """(bytes a second or 0, bytes until the cut); a cut counts down."""
    with _LOCK:
        faults = control.load()
        left = faults["times"].get(name, 0)
        if left > 0:
            faults["times"][name] = left - 1
            control.store(faults)
    return faults["rate"].get(name, 0), faults["cut"][name] if left > 0 else 1 << 62
