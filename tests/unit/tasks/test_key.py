"""The repository's key: fetched from a real server, installed only if it is the pinned one."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from facts.probe import openpgp
from tasks import rooted
from tests.unit.keys import KEY_A, KEY_B, armored

PAGES = {
    "/good": KEY_A[0],
    "/armored": armored(KEY_A[0]),
    "/other": KEY_B[0],
    "/both": KEY_A[0] + KEY_B[0],
    "/garbage": b"<html>blocked by the proxy</html>",
    "/empty": b"",
    "/broken": b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n%%%\n-----END PGP PUBLIC KEY BLOCK-----\n",
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in PAGES else 404)
            self.end_headers()
            self.wfile.write(PAGES.get(self.path, b"no"))

        def log_message(self, format: str, *args: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answer) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def install(url: str, pinned: str, path: Path) -> subprocess.CompletedProcess[str]:
    """The command that runs as root, run by sh."""
    command = rooted.program("key", url, pinned, str(path)).get_raw_value()
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("page", ["/good", "/armored"])
def test_the_pinned_key_is_installed_binary_and_readable(page: str, server: str, tmp_path: Path) -> None:
    path = tmp_path / "keyrings" / "cuda.gpg"
    done = install(server + page, KEY_A[1], path)
    assert (done.returncode, done.stderr) == (0, "")
    assert path.read_bytes() == KEY_A[0] and openpgp.fingerprints(path.read_bytes()) == [KEY_A[1]]
    assert path.stat().st_mode & 0o777 == 0o644
    assert [entry.name for entry in path.parent.iterdir()] == ["cuda.gpg"]


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ("/other", KEY_B[1]),
        ("/both", f"{KEY_A[1]}, {KEY_B[1]}"),
        ("/garbage", "no key"),
        ("/empty", "no key"),
        ("/broken", "no key"),
    ],
)
def test_any_other_answer_is_refused_and_the_old_key_stays(page: str, found: str, server: str, tmp_path: Path) -> None:
    path = tmp_path / "cuda.gpg"
    path.write_bytes(b"old")
    done = install(server + page, KEY_A[1], path)
    assert done.returncode == 1
    assert done.stderr == (
        f"The key at {server}{page} is {found}, not the pinned {KEY_A[1]}: it was not installed. "
        "If your mirror signs with a key of its own, set cuda_key_fingerprint.\n"
    )
    assert path.read_bytes() == b"old"


def test_no_answer_is_one_sentence(server: str, tmp_path: Path) -> None:
    for url in (server + "/gone", "http://127.0.0.1:1/x", "nonsense://x"):
        done = install(url, KEY_A[1], tmp_path / "k")
        assert done.returncode == 1 and "Traceback" not in done.stderr
        assert (
            done.stderr.startswith(f"NVIDIA's key could not be fetched from {url} (")
            and "set cuda_repository to a mirror" in done.stderr
        )
    assert not (tmp_path / "k").exists()
