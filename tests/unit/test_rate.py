"""The rate of a download, measured with the command that runs on the target."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from facts import rate
from facts.rate import Rate

ASKED: list[str] = []


class Slow(BaseHTTPRequestHandler):
    """About 4 MB/s, as long as anybody listens; nothing under /gone."""

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        ASKED.append(self.headers["Range"])
        self.send_response(404 if self.path == "/gone" else 206)
        self.end_headers()
        try:
            for _ in range(0 if self.path == "/gone" else 1000):
                self.wfile.write(b"x" * 40_000)
                time.sleep(0.01)
        except OSError:
            pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def measured(url: str) -> float | None:
    command = Rate().command(url).get_raw_value()
    return Rate().process(
        subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout.splitlines()
    )


def test_it_reads_a_piece_for_some_seconds_and_no_more(url: str) -> None:
    since = time.monotonic()
    found = measured(url + "/x")
    assert found is not None and 0.5e6 < found < 4.5e6
    assert time.monotonic() - since < rate.SECONDS + 3 and ASKED[-1] == f"bytes=0-{rate.SIZE - 1}"


@pytest.mark.parametrize("path", ["/gone", ":1/x"])
def test_where_nothing_comes_it_is_not_known(url: str, path: str) -> None:
    assert measured(url.rpartition(":")[0] + path if path.startswith(":") else url + path) is None


@pytest.mark.parametrize("output", [[], ["warning"], ['{"bytes": 0, "seconds": 1}'], ['{"bytes": 5, "seconds": 0}']])
def test_what_says_nothing(output: list[str]) -> None:
    assert Rate().process(output) is None
