"""The model's files from a small hub of our own: listed, fetched by the real client, and checked."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tasks.remote import weights
from tests.unit.tasks import remote

COMMIT = "c" * 40
FILES = {
    "config.json": b'{"a": 1}',
    "model.safetensors": b"w" * 70_000,
    "chat_template.jinja": b"{{ x }}",
    "README.md": b"no",
    "original/model.safetensors": b"no",
}
WANTED = ["chat_template.jinja", "config.json", "model.safetensors"]


def digest(name: str) -> str:
    """sha256 of a file as it was published."""
    return hashlib.sha256(FILES[name]).hexdigest()


def git(data: bytes) -> str:
    """What `git hash-object` says."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Hub(ThreadingHTTPServer):
    """A hub whose next answers can be spoiled: names in `wrong` are sent with a byte changed, that many times."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.wrong: dict[str, int] = {}
        self.sent: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def reply(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_GET(self) -> None:
        name = self.path.partition(f"/resolve/{COMMIT}/")[2]
        if self.path.startswith("/api/models/lab/m/revision/main"):
            rows = [
                {
                    "rfilename": n,
                    "size": len(data),
                    **(
                        {"lfs": {"sha256": digest(n), "size": len(data), "pointerSize": 1}}
                        if n.endswith(".safetensors")
                        else {"blobId": git(data)}
                    ),
                }
                for n, data in FILES.items()
            ]
            return self.reply(
                200,
                json.dumps({"id": "lab/m", "sha": COMMIT, "siblings": rows}).encode(),
                Content_Type="application/json",
            )
        if name not in FILES:
            return self.reply(404, b"{}", X_Error_Code="EntryNotFound")
        body = FILES[name]
        if self.command == "GET":
            self.server.sent.append(name)
            if self.server.wrong.get(name, 0) > 0:
                self.server.wrong[name] -= 1
                body = b"X" + body[1:]
        return self.reply(200, body, ETag=f'"{digest(name)}"', X_Repo_Commit=COMMIT, Accept_Ranges="bytes")

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def order(hub: Hub, root: Path, **fields: Any) -> dict[str, Any]:
    """What tasks/model.py hands over."""
    return {
        "name": "lab/m",
        "revision": "main",
        "endpoint": hub.url,
        "directory": str(root / "models" / "m"),
        "files": None,
        **fields,
    }


def fetch(hub: Hub, root: Path, **fields: Any) -> Any:
    """Run it as the job does, under an interpreter that has huggingface_hub."""
    remote.install(root)
    assert sys.executable
    return remote.run(root, "weights", str(root), order(hub, root, **fields))


def test_listing_asks_the_hub_for_root_files_that_vllm_loads(hub: Hub, tmp_path: Path) -> None:
    files, commit = weights.listing(order(hub, tmp_path))
    assert commit == COMMIT
    assert files == {
        "config.json": (8, git(FILES["config.json"])),
        "model.safetensors": (70_000, digest("model.safetensors")),
        "chat_template.jinja": (7, git(FILES["chat_template.jinja"])),
    }


def test_pinned_files_are_not_asked_for(hub: Hub, tmp_path: Path) -> None:
    pinned = {"config.json": [8, digest("config.json")]}
    assert weights.listing(order(hub, tmp_path, files=pinned, revision=COMMIT, endpoint="http://127.0.0.1:1")) == (
        {"config.json": (8, digest("config.json"))},
        COMMIT,
    )


def test_fetch_check_record_and_not_again(hub: Hub, tmp_path: Path) -> None:
    done = fetch(hub, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "3 files, 70015 bytes, every digest right"
    folder = tmp_path / "models" / "m"
    assert {name: (folder / name).read_bytes() for name in WANTED} == {name: FILES[name] for name in WANTED}
    assert not (folder / "README.md").exists() and not (folder / "original").exists()
    record = json.loads((folder / ".verified.json").read_text())
    assert (record["revision"], record["commit"]) == ("main", COMMIT)
    assert record["files"] == {
        name: {
            "size": len(FILES[name]),
            "mtime_ns": (folder / name).stat().st_mtime_ns,
            "sha256": hashlib.sha256(FILES[name]).hexdigest(),
        }
        for name in WANTED
    }
    assert sorted(hub.sent) == WANTED
    fetch(hub, tmp_path)
    assert sorted(hub.sent) == WANTED


def test_a_file_that_was_changed_on_disk_is_fetched_again(hub: Hub, tmp_path: Path) -> None:
    fetch(hub, tmp_path)
    (tmp_path / "models" / "m" / "model.safetensors").write_bytes(b"v" * 70_000)
    assert fetch(hub, tmp_path).returncode == 0
    assert (tmp_path / "models" / "m" / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert hub.sent.count("model.safetensors") == 2


def test_a_wrong_file_is_fetched_once_more(hub: Hub, tmp_path: Path) -> None:
    hub.wrong["model.safetensors"] = 1
    done = fetch(hub, tmp_path)
    assert done.returncode == 0 and "model.safetensors is not what it should be (attempt 1)" in done.stdout
    assert (tmp_path / "models" / "m" / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_a_small_file_of_the_right_size_is_known_by_its_name_in_git(hub: Hub, tmp_path: Path) -> None:
    """A template decides what a model is told; the hub tells no sha256 of it."""
    hub.wrong["chat_template.jinja"] = 2
    done = fetch(hub, tmp_path)
    assert done.returncode == 1 and "chat_template.jinja of lab/m is not the file that was published" in done.stderr
    hub.wrong["chat_template.jinja"] = 1
    assert fetch(hub, tmp_path).returncode == 0
    assert (tmp_path / "models" / "m" / "chat_template.jinja").read_bytes() == FILES["chat_template.jinja"]


def test_a_file_that_stays_wrong_is_refused_and_not_kept(hub: Hub, tmp_path: Path) -> None:
    hub.wrong["model.safetensors"] = 2
    done = fetch(hub, tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        "model.safetensors of lab/m is not the file that was published (size or sha256 differ), twice. "
        f"Check the mirror {hub.url}; nothing of it is used.\n"
    )
    folder = tmp_path / "models" / "m"
    assert not (folder / "model.safetensors").exists() and not (folder / ".verified.json").exists()


def test_a_file_that_the_hub_has_not(hub: Hub, tmp_path: Path) -> None:
    done = fetch(hub, tmp_path, files={"absent.json": [1, None]}, revision=COMMIT)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert (
        done.stderr.startswith(f"lab/m could not be had from {hub.url} (")
        and "set hf_endpoint to a mirror" in done.stderr
    )


def test_a_repository_that_the_hub_has_not(hub: Hub, tmp_path: Path) -> None:
    done = fetch(hub, tmp_path, name="lab/none")
    assert done.returncode == 1 and done.stderr.startswith(f"lab/none could not be had from {hub.url} (")


@pytest.mark.parametrize(
    ("size", "known", "good"),
    [(3, None, True), (4, None, False), (3, hashlib.sha256(b"abc").hexdigest(), True), (3, "0" * 64, False)],
)
def test_check(size: int, known: str | None, good: bool, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    assert weights.check(str(tmp_path / "f"), size, known) == good
