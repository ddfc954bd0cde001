"""The endpoint with real nginx on this machine: who passes, who does not, and who is asked."""

from __future__ import annotations

import os
import socket
import ssl
import stat
import threading
import time
from pathlib import Path

import pytest

from plan.gateway import PATHS
from tests.unit.tasks.endpoints import NGINX, Lab, error

pytestmark = pytest.mark.skipif(not NGINX.exists(), reason="nginx is not installed here")


@pytest.fixture
def lab(shared: Lab) -> Lab:
    """All well, nothing asked yet."""
    shared.reset()
    return shared


@pytest.mark.parametrize(("path", "method"), [*PATHS.items(), ("/health", "GET")])
def test_what_passes(lab: Lab, path: str, method: str) -> None:
    status, _ = lab.ask(method, path)
    assert status == 200


FORBIDDEN = [
    "/", "/v1", "/v1/", "/v1/chat/completions/", "/v1/embeddings", "/v1/models/x", "/v1/load_lora_adapter", "/metrics", "/docs",
    "/openapi.json", "/tokenize", "/sleep", "/collective_rpc", "/version", "/ping", "/invocations", "/v1/../metrics", "/health/../metrics",
    "/v1/chat/completions%2f..%2f..%2f..%2fmetrics", "//metrics", "/v1/responses/resp_1",
]  # fmt: skip


@pytest.mark.parametrize("path", FORBIDDEN)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_everything_else_is_not_there(lab: Lab, path: str, method: str) -> None:
    status, text = lab.ask(method, path)
    assert status == 404 and "There is nothing here" in error(text)
    assert not any(server.asked for server in lab.servers.values())


def test_another_method_is_refused(lab: Lab) -> None:
    for path, method in PATHS.items():
        status, text = lab.ask("GET" if method == "POST" else "POST", path)
        assert status == 405 and error(text)
    assert lab.ask("DELETE", "/v1/models")[0] == 405
    assert not any(server.asked for server in lab.servers.values())


def test_without_the_key_nothing_is_answered(lab: Lab) -> None:
    wrong = ["", "sk-wrong", lab.key[:-1], lab.key + "x", lab.key.swapcase(), "x" * 300]
    for key in wrong:
        status, text = lab.ask(key=key)
        assert status == 401 and "Send it as Authorization" in error(text), key
    assert lab.ask(key="", Authorization=lab.key)[0] == 401
    assert not any(server.asked for server in lab.servers.values())


def test_each_key_stays_where_it_belongs(lab: Lab) -> None:
    """The clients' key is not told to workstations, and theirs is added on their own machine."""
    for _ in range(4):
        lab.ask()
    told = {(name, asked[2]) for name, server in lab.servers.items() for asked in server.asked}
    assert told == {("a", "Bearer sk-of-a"), ("b", "Bearer sk-of-b")}
    for machine in (lab.gateway, *lab.pcs.values()):
        for path in (machine.root / "gateway").rglob("*"):
            if path.is_file() and path.name != "server.crt":
                text = path.read_text()
                secret = lab.key in text or "sk-of-" in text or "PRIVATE KEY" in text
                assert not secret or stat.S_IMODE(path.stat().st_mode) == 0o600, path
        assert stat.S_IMODE((machine.root / "gateway").stat().st_mode) == 0o700


def test_connections_within_the_lab_are_kept(lab: Lab) -> None:
    """Else each question costs two more TLS handshakes."""
    talks = {name: len(server.talks) for name, server in lab.servers.items()}
    since = {name: established(pc.settings.door_port) for name, pc in lab.pcs.items()}
    for _ in range(8):
        assert lab.ask()[0] == 200
    for name, server in lab.servers.items():
        assert server.told["Host"] == "vllm-workstation" and "Connection" not in server.told
        new = established(lab.pcs[name].settings.door_port) - since[name]
        assert len(server.asked) == 4 and len(new) <= 2 and established(lab.pcs[name].settings.door_port), new
        assert len(server.talks) - talks[name] < 4


def established(port: int) -> set[str]:
    """Connections to a port of this machine, by where they come from."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {row[1] for row in rows if row[2].endswith(f":{port:04X}") and row[3] == "01"}


def test_what_is_too_large_is_refused(lab: Lab) -> None:
    status, text = lab.ask(body=b"x" * (21 << 20))
    assert status == 413 and "20 MiB" in error(text)
    assert lab.ask(body=b"x" * (19 << 20))[0] == 200
    status, text = lab.ask(Long="x" * 40000)
    assert status in (400, 431, 414) and error(text)


def test_an_answer_is_passed_on_as_it_comes(lab: Lab) -> None:
    for server in lab.servers.values():
        server.chunks, server.pause = 4, 0.4
    connection = lab.open()
    connection.request("POST", "/v1/chat/completions", b"{}", {"Authorization": f"Bearer {lab.key}"})
    answer, times = connection.getresponse(), []
    while answer.readline():
        times.append(time.monotonic())
    assert len(times) == 4 and times[-1] - times[0] > 1.0


def test_the_least_busy_is_asked(lab: Lab) -> None:
    for server in lab.servers.values():
        server.chunks, server.pause = 3, 0.2
    threads = [threading.Thread(target=lab.ask) for _ in range(8)]
    for thread in threads:
        thread.start()
        time.sleep(0.02)
    for thread in threads:
        thread.join()
    counts = [len(server.asked) for server in lab.servers.values()]
    assert sum(counts) == 8 and min(counts) >= 3, counts


def test_one_that_is_not_healthy_leaves_and_comes_back(lab: Lab) -> None:
    lab.servers["a"].healthy = False
    assert lab.until("b") < 4
    lab.servers["a"].asked.clear()
    assert {lab.ask()[1][0] for _ in range(6)} == {"b"}
    lab.servers["a"].healthy = True
    assert lab.until("a", "b") < 4
    assert {lab.ask()[1][0] for _ in range(6)} == {"a", "b"}


def test_connections_that_clients_keep_survive_all_that(lab: Lab) -> None:
    """A client's connection is not closed where workstations come and go, and none of its requests fails."""
    connection = lab.open()
    for turn in range(60):
        lab.servers["a"].healthy = turn % 20 < 10
        connection.request("POST", "/v1/chat/completions", b"{}", {"Authorization": f"Bearer {lab.key}"})
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (200, True)
        time.sleep(0.1)


def test_draining_one_finishes_what_it_has(lab: Lab) -> None:
    for server in lab.servers.values():
        server.chunks, server.pause = 12, 0.4
    answers: list[tuple[int, str]] = []
    threads = [threading.Thread(target=lambda: answers.append(lab.ask())) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    (lab.pcs["a"].root / "gateway" / "draining").write_text("")
    lab.until("b")
    before = len(lab.servers["a"].asked)
    for server in lab.servers.values():
        server.chunks = 1
    assert {lab.ask()[1][0] for _ in range(4)} == {"b"}
    for thread in threads:
        thread.join()
    assert [(status, len(text.splitlines())) for status, text in answers] == [(200, 12)] * 4
    assert len(lab.servers["a"].asked) == before > 0


def test_with_nobody_left_it_says_so(lab: Lab) -> None:
    for server in lab.servers.values():
        server.healthy = False
    lab.until()
    for method, path in (("POST", "/v1/chat/completions"), ("GET", "/health")):
        status, text = lab.ask(method, path)
        assert status == 503 and "No workstation can answer now" in error(text)


def test_a_door_admits_the_gateway_alone(lab: Lab) -> None:
    port = lab.pcs["a"].settings.door_port
    strange = ssl._create_unverified_context()
    other = lab.pcs["b"].root / "gateway"
    for certificate in (None, str(other / "identity")):
        if certificate:
            strange.load_cert_chain(f"{certificate}.crt", f"{certificate}.key")
        try:
            with strange.wrap_socket(socket.create_connection(("127.0.0.1", port), 5)) as talk:
                talk.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                said = talk.recv(4096)
        except (OSError, ssl.SSLError):
            said = b""
        assert not said or b" 403 " in said.splitlines()[0] or b" 400 " in said.splitlines()[0], said
    assert not lab.servers["a"].asked


def test_a_false_door_gets_no_question(lab: Lab) -> None:
    """A machine at a workstation's address that cannot show its certificate."""
    pc = lab.pcs["a"]
    pc.stop()
    lab.until("b")
    kept = {name: (pc.root / "gateway" / name).read_bytes() for name in ("identity.crt", "identity.key")}
    for name in kept:
        (pc.root / "gateway" / name).unlink()
    pc.helper("identity", str(pc.root), "")
    pc.start()
    time.sleep(3)
    lab.servers["a"].asked.clear()
    assert {lab.ask()[1][0] for _ in range(4)} == {"b"} and not lab.servers["a"].asked
    pc.stop()
    for name, data in kept.items():
        (pc.root / "gateway" / name).write_bytes(data)
    os.chmod(pc.root / "gateway" / "identity.key", 0o600)
    pc.start()
    lab.until("a", "b")


def test_what_nginx_refuses_leaves_the_old_one(lab: Lab) -> None:
    path = lab.gateway.root / "gateway" / "nginx.conf"
    good = path.read_text()
    path.write_text(good.replace("server_tokens off;", "server_tokens oof;"))
    assert lab.gateway.process is not None
    lab.gateway.process.send_signal(1)
    time.sleep(1.5)
    assert lab.ask()[0] == 200 and "oof" in lab.gateway.read("state/running.json")
    path.write_text(good)
    lab.gateway.process.send_signal(1)
    lab.gateway.helper("gateway-wait", str(lab.gateway.root), "10")


def test_the_end_finishes_what_is_under_way(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    try:
        lab.servers["a"].chunks = lab.servers["b"].chunks = 8
        lab.servers["a"].pause = lab.servers["b"].pause = 0.3
        answers: list[tuple[int, str]] = []
        thread = threading.Thread(target=lambda: answers.append(lab.ask()))
        thread.start()
        time.sleep(0.5)
        lab.gateway.stop()
        thread.join()
        assert [(status, len(text.splitlines())) for status, text in answers] == [(200, 8)]
    finally:
        lab.close()
