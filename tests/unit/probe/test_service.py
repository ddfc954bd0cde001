"""The unit's properties, listening sockets, and what a process was started with."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from facts.probe import processes, service, shell
from tests.unit.recorded import Recording, cases, recordings

SHOWN = [row for row in recordings("systemd") if row.file.startswith("systemd/show-")]
IPV6 = (
    "  sl  local_address                         remote_address                        "
    "st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    "   0: 00000000000000000000000001000000:1F40 00000000000000000000000000000000:0000 "
    "0A 00000000:00000000 00:00000000 00000000  1000        0 23456 1 0000 100 0\n"
)


@pytest.mark.parametrize("row", cases(SHOWN))
def test_show(row: Recording) -> None:
    found = service.parse_show(row.text)
    assert {key: found[key] for key in row.expect if key != "rc"} == {
        key: str(value) for key, value in row.expect.items() if key != "rc"
    }


def test_show_keeps_equals_signs_in_values() -> None:
    assert service.parse_show("Environment=A=1 B=2\nEmpty=\nno property\n") == {"Environment": "A=1 B=2", "Empty": ""}


@pytest.mark.parametrize("row", cases(recordings("net", "listen")))
def test_recorded_table(row: Recording) -> None:
    inodes = {22: [46173], 8000: [94309]}
    assert {port: service.parse_tcp(row.text, port) for port in row.expect["listen"]} == inodes
    assert service.parse_tcp(row.text, 0xC25E) == []  # a connection's other end does not listen here
    assert service.parse_tcp(row.text, 80) == []


def test_ipv6_table() -> None:
    assert service.parse_tcp(IPV6, 8000) == [23456]


def test_holder_of_a_real_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (holder,) = service.holders(port)
        assert holder["pid"] == os.getpid()
        assert holder["command"] and "python" in holder["command"]
        assert holder["spec"] is None
    assert service.holders(port) == []


def test_running_spec_is_read_from_the_process_that_was_started_with_it() -> None:
    env = {"PATH": os.environ["PATH"], processes.SPEC: "abc123"}
    child = subprocess.Popen(
        [sys.executable, "-c", "print(1, flush=True); input()"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    try:
        assert service.running_spec(child.pid) == "abc123"
        assert service.running_spec(os.getpid()) is None
    finally:
        child.communicate(b"\n")
    assert service.running_spec(child.pid) is None


@pytest.mark.parametrize("status", [200, 503])
def test_health(status: int) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert service.health(server.server_port) == status


def test_health_where_nothing_or_nonsense_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def babble() -> None:
            connection = server.accept()[0]
            connection.recv(1000)
            connection.sendall(b"\x00\xff not http\r\n\r\n")
            connection.close()

        threading.Thread(target=babble, daemon=True).start()
        assert service.health(port) is None
    assert service.health(port) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("12", 12), (" 4 \n", 4), ("16.0", 16), ("[N/A]", None), ("", None), (None, None), ("nan", None)],
)
def test_number(text: str | None, expected: int | None) -> None:
    assert shell.number(text) == expected


@pytest.mark.parametrize("text", ["inf", "-infinity", "1e999"])
def test_number_of_no_whole_number_is_none(text: str) -> None:
    assert shell.number(text) is None
