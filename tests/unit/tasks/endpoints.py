"""A lab's endpoint on this machine: real nginx, certificates of its own, servers that answer as told."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from plan import gateway
from plan.gateway import Door
from plan.place import Place
from plan.settings import Settings
from tasks import helper
from tests.unit.tasks import answering

NGINX = Path("/usr/sbin/nginx")


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Server:
    """A workstation's server: says its name, its key, and what it was asked."""

    def __init__(self, name: str, port: int = 0) -> None:
        self.name, self.asked = name, []  # type: str, list[tuple[str, str, str]]
        self.talks: list[socket.socket] = []
        self.plain()
        self.http = answering.serve(self.answer, port, self.talks)
        self.port = self.http.server_address[1]

    def plain(self) -> None:
        """Well, quick, and nothing asked yet. `delay`, `pause`: seconds before an answer and after each chunk."""
        self.healthy, self.breaks, self.chunks, self.pause, self.delay = True, False, 1, 0.0, 0.0
        self.told: dict[str, str] = {}  # headers of the last request
        self.asked.clear()

    def answer(self, request: Any) -> None:
        """As vLLM: /health plain, everything else in chunks."""
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        if request.path == "/health":
            request.send_response(200 if self.healthy else 503)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        self.told = dict(request.headers)
        self.asked.append((request.command, request.path, request.headers.get("Authorization", "")))
        if self.breaks:
            request.close_connection = True
            request.connection.shutdown(socket.SHUT_RDWR)
            return
        time.sleep(self.delay)
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        for number in range(self.chunks):
            word = f"{self.name} {number} {len(body)}\n".encode()
            request.wfile.write(b"%x\r\n%s\r\n" % (len(word), word))
            request.wfile.flush()
            time.sleep(self.pause)
        request.wfile.write(b"0\r\n\r\n")

    def stop(self) -> None:
        """As a process that was killed: connections end too."""
        self.http.shutdown()
        self.http.server_close()
        for talk in self.talks:
            with contextlib.suppress(OSError):
                talk.shutdown(socket.SHUT_RDWR)


class Machine:
    """One machine of the lab under a folder: its root, settings and nginx."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.root, self.settings = folder / "root", Settings(**settings)
        (self.root / "lib").mkdir(parents=True)
        (self.root / "service").mkdir()
        (self.root / "service" / "api-key").write_text("sk-of-" + folder.name)
        (self.root / "service" / "api-key").chmod(0o600)
        (self.root / "service" / "plan.json").write_text(json.dumps({"host": "127.0.0.1", "port": self.settings.port}))
        (self.root / "lib" / "helper.pyz").write_bytes(helper.archive())
        self.place = Place(root=str(self.root), home=str(folder), uid=os.getuid())
        self.process: subprocess.Popen[bytes] | None = None
        self.helper("identity", str(self.root), "localhost 127.0.0.1" if gateway.is_gateway(self.settings) else "")

    def helper(self, *words: str) -> None:
        """A command of the helper."""
        subprocess.run([sys.executable, self.root / "lib" / "helper.pyz", *words], check=True, timeout=60)

    def read(self, name: str) -> str:
        """A file of the endpoint's."""
        return (self.root / "gateway" / name).read_text()

    def door(self, name: str) -> Door:
        """As the gateway knows it."""
        return Door(name=name, address="127.0.0.1", port=self.settings.door_port, certificate=self.read("identity.crt"))

    def write(self, gateways: dict[str, str], doors: list[Door]) -> None:
        """The planned files."""
        for text in gateway.files(self.place, self.settings, gateways, doors):
            path = Path(text.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.content)
            path.chmod(int(text.mode, 8))
        if gateway.has_door(self.settings):
            self.helper("server-key", str(self.root))

    def start(self, seconds: float = 20) -> None:
        """The unit's process, up within so many seconds; 0: nobody waits."""
        self.process = subprocess.Popen(
            [sys.executable, self.root / "lib" / "helper.pyz", "gateway", str(self.root)],
            stdout=subprocess.DEVNULL, stderr=(self.root / "log").open("ab"),
        )  # fmt: skip
        if seconds:
            self.helper("gateway-wait", str(self.root), str(seconds))

    def stop(self) -> None:
        """As systemd stops it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(25)
            self.process = None


class Lab:
    """Two workstations behind a gateway."""

    def __init__(self, folder: Path) -> None:
        self.servers = {name: Server(name) for name in ("a", "b")}
        self.pcs = {}
        for name, server in self.servers.items():
            (folder / name).mkdir()
            self.pcs[name] = Machine(folder / name, port=server.port, door_port=free_port())
        (folder / "gw").mkdir()
        self.port = free_port()
        self.gateway = Machine(folder / "gw", role="gateway", gateway_port=self.port, gateway_address="127.0.0.1")
        own = self.gateway.read("identity.crt")
        for pc in self.pcs.values():
            pc.write({"gw": own}, [])
            pc.start()
        self.gateway.write({}, [pc.door(name) for name, pc in self.pcs.items()])
        self.gateway.start()
        self.key = self.gateway.read("key").strip()

    def close(self) -> None:
        """Nothing runs any more."""
        for machine in (self.gateway, *self.pcs.values()):
            machine.stop()
        for server in self.servers.values():
            server.stop()

    def reset(self) -> None:
        """All well, nothing asked yet."""
        for server in self.servers.values():
            server.plain()
        for pc in self.pcs.values():
            (pc.root / "gateway" / "draining").unlink(missing_ok=True)
        self.until("a", "b")
        for server in self.servers.values():
            server.asked.clear()

    def open(self, timeout: float = 20) -> http.client.HTTPSConnection:
        """A connection as a client."""
        return connected(self.gateway, self.port, timeout)

    def ask(
        self,
        method: str = "POST",
        path: str = "/v1/chat/completions",
        body: bytes = b"{}",
        key: str | None = None,
        **headers: str,
    ) -> tuple[int, str]:
        """(status, text) of one request; with the right key unless told otherwise."""
        sent = {"Authorization": f"Bearer {self.key if key is None else key}", **headers}
        connection = self.open()
        connection.request(
            method, path, body if method == "POST" else None, {name: value for name, value in sent.items() if value}
        )
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    def until(self, *names: str, seconds: float = 12) -> float:
        """Seconds until exactly these workstations answer."""
        since, seen = time.monotonic(), set()  # type: float, set[str]
        while time.monotonic() - since < seconds:
            answers = [self.ask() for _ in range(4)]
            seen = {text[0] for status, text in answers if status == 200}
            if seen == set(names):
                return time.monotonic() - since
            time.sleep(0.1)
        raise AssertionError(seen)


def connected(gateway: Machine, port: int, timeout: float = 20) -> http.client.HTTPSConnection:
    """A connection as a client that trusts the gateway's certificate alone."""
    context = ssl.create_default_context(cafile=str(gateway.root / "gateway" / "server.crt"))
    return http.client.HTTPSConnection("localhost", port, timeout=timeout, context=context)


def asked(gateway: Machine, port: int, key: str | None = None) -> tuple[int, str]:
    """(status, text) of a chat; with the clients' key unless told otherwise."""
    connection = connected(gateway, port)
    headers = {"Authorization": f"Bearer {key or gateway.read('key').strip()}"}
    connection.request("POST", "/v1/chat/completions", b"{}", headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def error(text: str) -> str:
    """The message of an error as OpenAI's clients read it."""
    message: str = json.loads(text)["error"]["message"]
    return message
