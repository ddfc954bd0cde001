"""Fetch a model from the hub: only the listed files, resumed where cut, checked by size and sha256 (needs huggingface_hub)."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, List, Optional, Tuple

from . import common, jobs, lan

MARK = ".verified.json"
WANTED = (".json", ".jinja", ".safetensors", "tokenizer.model", "vocab.txt", "merges.txt")
Files = Dict[str, Tuple[int, Optional[str]]]


def fetch(root: str, order: Dict[str, Any]) -> None:
    """Make `directory` hold the model. `order`: name, revision, endpoint, directory, files or None. Raises common.Failure."""
    os.environ.update({"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"})
    os.environ.setdefault("HF_HUB_DOWNLOAD_TIMEOUT", "60")  # seconds without a byte: a cache may be waiting for a piece itself
    if order.get("cache"):
        os.environ.update(lan.near(dict(os.environ), order["cache"].rpartition(":")[0]))
    os.environ.pop("HF_HUB_OFFLINE", None)
    if os.path.exists(common.CA_BUNDLE):
        os.environ.setdefault("SSL_CERT_FILE", common.CA_BUNDLE)
        os.environ.setdefault("REQUESTS_CA_BUNDLE", common.CA_BUNDLE)
    files, revision = listing(order)
    os.makedirs(order["directory"], exist_ok=True)
    total = sum(size for size, _ in files.values())
    done = threading.Event()
    reporter = threading.Thread(target=_report, args=(root, order["directory"], total, done), daemon=True)
    before = _bytes(order["directory"])
    reporter.start()
    try:
        with ThreadPoolExecutor(3) as pool:
            records = list(pool.map(lambda name: _one(order, revision, name, *files[name]), sorted(files)))
    finally:
        done.set()
        reporter.join()
    jobs.progress(root, "weights", {"moved": max(0, _bytes(order["directory"]) - before)})
    mark = {"revision": order["revision"], "commit": revision, "files": dict(records)}
    common.write(os.path.join(order["directory"], MARK), json.dumps(mark, indent=1))
    common.log("%d files, %d bytes, every digest right" % (len(files), total))


def listing(order: Dict[str, Any]) -> Tuple[Files, str]:
    """Names, sizes and digests: the pinned ones, else what the hub says of that revision (root files that vLLM loads).

    Through a lab's cache they are as good as the cache: it is trusted with them as with index pages.
    """
    if order["files"]:
        return {name: (size, digest) for name, (size, digest) in order["files"].items()}, order["revision"]
    info = lan.attempt(order.get("cache", ""), lambda found: _info(_by(order, found)), (common.Failure,))
    files: Files = {}
    for file in info.siblings or []:
        if "/" not in file.rfilename and file.rfilename.endswith(WANTED):
            files[file.rfilename] = (int(file.size or 0), _told(file))
    return files, str(info.sha)


def _told(file: Any) -> Optional[str]:
    """sha256 of a large file; of a small one git's name for it, which is a sha1."""
    lfs: Any = file.lfs
    if not lfs:
        return str(file.blob_id) if file.blob_id else None
    return str(lfs.get("sha256") if isinstance(lfs, dict) else lfs.sha256)


def _info(order: Dict[str, Any]) -> Any:
    from huggingface_hub import HfApi

    try:
        return HfApi(endpoint=order["endpoint"], token=False).model_info(
            order["name"], revision=order["revision"], files_metadata=True, timeout=30
        )
    except Exception as error:
        raise common.Failure(_words(order, error)) from error


def _by(order: Dict[str, Any], found: Optional[lan.Lan]) -> Dict[str, Any]:
    """The order as the cache is asked for it; nothing is asked twice there."""
    return dict(order, endpoint=found.to(order["endpoint"]), near=True) if found else dict(order, near=False)


def _words(order: Dict[str, Any], error: Exception) -> str:
    text = str(error).strip().splitlines()
    return (
        "%s could not be had from %s (%s). Check the network or set hf_endpoint to a mirror, and run this again: it goes on where it stopped."
        % (
            order["name"],
            order["endpoint"],
            (text[0] if text else type(error).__name__)[:200],
        )
    )


def _one(
    order: Dict[str, Any], revision: str, name: str, size: int, digest: Optional[str]
) -> Tuple[str, Dict[str, Any]]:
    """Fetch and check one file; a wrong one is fetched once more from nothing."""
    path = os.path.join(order["directory"], name)
    if os.path.exists(path) and check(path, size, digest):
        return name, record(path, digest)
    lan.attempt(order.get("cache", ""), lambda found: _checked(_by(order, found), revision, name, size, digest), (common.Failure,))
    return name, record(path, digest)


def _checked(order: Dict[str, Any], revision: str, name: str, size: int, digest: Optional[str]) -> None:
    """Fetch a file and check it; from the cache once, else a wrong one once more from nothing."""
    for attempt in (1,) if order["near"] else (1, 2):
        _discard(order["directory"], name)
        _download(order, revision, name)
        if check(os.path.join(order["directory"], name), size, digest):
            return
        common.log("%s is not what it should be (attempt %d)" % (name, attempt))
    _discard(order["directory"], name)
    raise common.Failure(
        "%s of %s is not the file that was published (size or sha256 differ)%s. Check the mirror %s; nothing of it is used."
        % (name, order["name"], "" if order["near"] else ", twice", order["endpoint"])
    )


def _download(order: Dict[str, Any], revision: str, name: str) -> None:
    from huggingface_hub import hf_hub_download

    for pause in (None,) if order["near"] else (0, 2, 5, 15, None):
        try:
            hf_hub_download(
                order["name"],
                name,
                revision=revision,
                local_dir=order["directory"],
                endpoint=order["endpoint"],
                token=False,
                etag_timeout=30,
            )
            return
        except Exception as error:
            if pause is None or "404" in str(error):
                raise common.Failure(_words(order, error)) from error
            common.log(
                "%s: %s; again in %d s" % (name, str(error).splitlines()[0][:160] if str(error) else error, pause)
            )
            time.sleep(pause)


def _discard(directory: str, name: str) -> None:
    for path in (
        os.path.join(directory, name),
        os.path.join(directory, ".cache/huggingface/download", name + ".metadata"),
    ):
        if os.path.exists(path):
            os.unlink(path)


def check(path: str, size: int, digest: Optional[str]) -> bool:
    """Whether a file has this size and, where one is known, this sha256 (64 digits) or this name in git (40)."""
    if os.path.getsize(path) != size:
        return False
    return digest is None or (blob(path) if _git(digest) else sha256(path)) == digest


def _git(digest: str) -> bool:
    return len(digest) == 40


def blob(path: str) -> str:
    """What git calls a file with these bytes."""
    with open(path, "rb") as file:
        data = file.read()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def sha256(path: str) -> str:
    """Digest of a file, read in pieces."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 22), b""):
            found.update(piece)
    return found.hexdigest()


def record(path: str, digest: Optional[str] = None) -> Dict[str, Any]:
    """What is compared later; small files, whose sha256 the hub does not tell, are digested here."""
    info = os.stat(path)
    return {"size": info.st_size, "mtime_ns": info.st_mtime_ns, "sha256": digest if digest and not _git(digest) else sha256(path)}


def _bytes(directory: str) -> int:
    found: List[int] = []
    for base, _, names in os.walk(directory):
        found += [
            os.path.getsize(os.path.join(base, name)) for name in names if os.path.exists(os.path.join(base, name))
        ]
    return sum(found)


def _report(root: str, directory: str, total: int, done: threading.Event) -> None:
    first, since = _bytes(directory), time.time()
    while not done.wait(1):
        now = _bytes(directory)
        rate = (now - first) / max(0.001, time.time() - since)
        jobs.progress(root, "weights", {"bytes": min(now, total), "total": total, "rate": rate, "stage": "downloading"})
