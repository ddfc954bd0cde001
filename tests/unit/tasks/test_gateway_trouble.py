"""The endpoint with real nginx where machines, names, ports and keys are in trouble."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from facts.probe import gateway as probe
from plan.gateway import Door
from tests.unit.tasks.endpoints import NGINX, Lab, Server, error

pytestmark = pytest.mark.skipif(not NGINX.exists(), reason="nginx is not installed here")


@pytest.fixture
def lab(shared: Lab) -> Lab:
    """All well, nothing asked yet, no other machine known."""
    if len(json.loads(shared.gateway.read("doors.json"))) != len(shared.pcs):
        known(shared)
    shared.reset()
    return shared


@contextlib.contextmanager
def silence() -> Iterator[int]:
    """A port of a machine without power: who connects hears nothing, not even a refusal."""
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port: int = full.getsockname()[1]
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port


def known(lab: Lab, *more: Door) -> None:
    """The gateway is told of its doors again."""
    lab.gateway.write({}, [*(pc.door(name) for name, pc in lab.pcs.items()), *more])
    assert lab.gateway.process is not None
    lab.gateway.process.send_signal(signal.SIGHUP)
    time.sleep(1.5)  # gateway-wait gives silent doors much longer


def test_one_without_power_fails_no_request(lab: Lab) -> None:
    """nginx itself still believes in it: as in the seconds before it is found out."""
    with silence() as port:
        path = lab.gateway.root / "gateway" / "state" / "upstream.conf"
        text = path.read_text().replace(f":{lab.pcs['a'].settings.door_port} ", f":{port} ")
        path.write_text(text)
        pid = int((lab.gateway.root / "gateway" / "state" / "nginx.pid").read_text())
        os.kill(pid, signal.SIGHUP)
        time.sleep(1)
        assert [lab.ask()[0] for _ in range(4)] == [200] * 4
    known(lab)


def test_one_without_power_is_found_out_and_delays_nobody(lab: Lab) -> None:
    with silence() as port:
        door = lab.pcs["b"].door("dead")
        known(lab, door.model_copy(update={"port": port}))
        lab.until("a", "b")
        for _ in range(2):
            lab.servers["a"].healthy = False
            assert lab.until("b") < 3.5
            lab.servers["a"].healthy = True
            assert lab.until("a", "b") < 3.5


def test_a_name_that_is_not_known_stops_nobody(lab: Lab) -> None:
    """A machine's name goes with the machine where the router gives names; nginx would not start for want of it."""
    known(lab, lab.pcs["b"].door("gone").model_copy(update={"address": "no-such-machine.invalid"}))
    assert lab.ask()[0] == 200
    lab.gateway.stop()
    lab.gateway.start(0)
    time.sleep(1)
    lab.until("a", "b")
    assert lab.ask()[0] == 200


def test_a_request_that_broke_a_server_is_not_asked_of_the_next(lab: Lab) -> None:
    """Else one request could end every server of the lab."""
    for server in lab.servers.values():
        server.breaks = True
    for count in range(1, 4):
        status, text = lab.ask()
        assert status == 502 and "broke off" in error(text)
        assert sum(len(server.asked) for server in lab.servers.values()) == count


def test_a_machine_that_goes_is_made_up_for(lab: Lab) -> None:
    """Its door breaks off before anything was said: the question is asked of another."""
    for server in lab.servers.values():
        server.delay = 2.0
    answers: list[tuple[int, str]] = []
    threads = [threading.Thread(target=lambda: answers.append(lab.ask())) for _ in range(2)]
    for thread in threads:
        thread.start()
        time.sleep(0.2)
    master = (lab.pcs["a"].root / "gateway" / "state" / "nginx.pid").read_text().strip()
    for worker in Path(f"/proc/{master}/task/{master}/children").read_text().split():
        os.kill(int(worker), signal.SIGKILL)
    for thread in threads:
        thread.join()
    assert [(status, text[0]) for status, text in answers] == [(200, "b")] * 2


def test_one_whose_server_is_gone_passes_its_requests_on(lab: Lab) -> None:
    """At once, before the gateway has looked."""
    lab.servers["a"].stop()
    assert [lab.ask()[0] for _ in range(6)] == [200] * 6
    port = lab.servers["a"].port
    lab.until("b")
    lab.servers["a"] = Server("a", port)
    lab.until("a", "b")


def test_a_port_that_is_taken_is_no_success(lab: Lab) -> None:
    lab.gateway.stop()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", lab.port))
        other.listen()
        with pytest.raises(subprocess.CalledProcessError):
            lab.gateway.start(6)
        assert "nginx ended" in lab.gateway.read("state/running.json")
    lab.gateway.stop()
    lab.gateway.start()


def test_a_mark_that_nobody_holds_is_taken_off(lab: Lab) -> None:
    """A start that was killed, or a machine that was switched off in the middle of one; a person's mark has no holder."""
    mark, process = lab.pcs["a"].root / "gateway" / "draining", lab.pcs["b"].process
    assert process is not None
    mark.write_text(f"{process.pid}\n")  # one of the helper's
    lab.until("b")
    mark.write_text("")
    time.sleep(1)
    assert mark.exists()
    mark.write_text(f"{os.getpid()}\n")
    lab.until("a", "b")
    assert not mark.exists()


def test_a_new_key_of_the_server_is_sent_from_its_start_on(lab: Lab) -> None:
    pc = lab.pcs["a"]
    (pc.root / "service" / "api-key").write_text("sk-anew")
    pc.helper("drain-end", str(pc.root))
    time.sleep(1.5)
    for _ in range(4):
        lab.ask()
    assert {asked[2] for asked in lab.servers["a"].asked} == {"Bearer sk-anew"}


@pytest.mark.parametrize("path", ["/metrics/../v1/models", "/v1//models", "/v1/%6dodels", "/x/../v1/models?a=b"])
def test_the_server_is_asked_in_plain_words(lab: Lab, path: str) -> None:
    """However a path is written: what was compared is what is asked."""
    status, _ = lab.ask("GET", path)
    assert status == 200
    asked = [asked[1] for server in lab.servers.values() for asked in server.asked]
    assert asked == ["/v1/models" + ("?a=b" if "?" in path else "")]


def test_health_is_only_looked_at(lab: Lab) -> None:
    status, text = lab.ask("POST", "/health", body=b"x" * 1000, key="")
    assert status == 405 and error(text)


def test_a_key_that_was_edited_is_found(lab: Lab) -> None:
    """The fact compares what lies there with what nginx was told."""
    query, path = {"root": str(lab.gateway.root)}, lab.gateway.root / "gateway" / "key"
    assert probe.observe(query)["clients"]
    path.write_text("sk-a.key-of-ones-own\n")
    assert not probe.observe(query)["clients"]
    lab.gateway.helper("identity", str(lab.gateway.root), "localhost 127.0.0.1")
    assert probe.observe(query)["clients"] and path.read_text() == "sk-a.key-of-ones-own\n"
    path.chmod(0o644)
    assert not probe.observe(query)["clients"]


def test_a_key_of_ones_own_is_kept_or_refused_but_never_replaced(lab: Lab) -> None:
    path, words = lab.gateway.root / "gateway" / "key", ("identity", str(lab.gateway.root), "localhost 127.0.0.1")
    for key in ("short", "sk-with a space in it", "x" * 201):
        path.write_text(key)
        with pytest.raises(subprocess.CalledProcessError):
            lab.gateway.helper(*words)
        assert path.read_text() == key
    path.write_text("sk-from+openssl/rand64==")
    lab.gateway.helper(*words)
    assert path.read_text() == "sk-from+openssl/rand64==" and probe.observe({"root": str(lab.gateway.root)})["clients"]
    reload(lab)
    assert lab.ask(key="sk-from+openssl/rand64==")[0] == 200 and lab.ask(key="sk-fromm+openssl/rand64==")[0] == 401
    path.write_text(lab.key + "\n")
    lab.gateway.helper(*words)
    reload(lab)


def reload(lab: Lab) -> None:
    """As the unit's ExecReload, and as long as the deploy waits."""
    assert lab.gateway.process is not None
    lab.gateway.process.send_signal(signal.SIGHUP)
    lab.gateway.helper("gateway-wait", str(lab.gateway.root), "12")
    time.sleep(0.5)  # until nginx's old workers are told


def test_a_broken_certificate_is_not_told(lab: Lab) -> None:
    path = lab.pcs["a"].root / "gateway" / "identity.crt"
    whole, query = path.read_text(), {"root": str(lab.pcs["a"].root)}
    assert probe.observe(query)["certificate"] == whole
    for text in (whole[:-30], whole + whole, whole.replace("\n", "\nx", 1), "", whole + "\n", "é", "text before\n" + whole):
        path.write_text(text)
        assert probe.observe(query)["certificate"] is None
    key = path.with_suffix(".key").read_bytes()
    lab.pcs["a"].helper("identity", str(lab.pcs["a"].root), "")  # text before it is none of openssl's concern
    assert probe.observe(query)["certificate"] not in (None, whole)
    path.write_text(whole)
    path.with_suffix(".key").write_bytes(key)


def test_a_new_port_that_is_taken_is_told(lab: Lab) -> None:
    """nginx -t does not find that out, and goes on as it was."""
    conf = lab.gateway.root / "gateway" / "nginx.conf"
    whole = conf.read_text()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        conf.write_text(whole.replace(f":{lab.port} ssl", f":{port} ssl"))
        with pytest.raises(subprocess.CalledProcessError):
            reload(lab)
        assert f"another programme has port {port}" in lab.gateway.read("state/running.json")
        assert lab.ask()[0] == 200
    conf.write_text(whole)
    reload(lab)


def test_another_address_of_its_own_port_is_a_new_start(lab: Lab) -> None:
    """The port is its own, and nginx gives it up only when it ends; systemd starts it again."""
    conf, process = lab.gateway.root / "gateway" / "nginx.conf", lab.gateway.process
    whole = conf.read_text()
    assert process is not None
    conf.write_text(whole.replace(f"127.0.0.1:{lab.port} ssl", f"0.0.0.0:{lab.port} ssl"))
    process.send_signal(signal.SIGHUP)
    assert process.wait(25) != 0
    lab.gateway.start()
    assert lab.ask()[0] == 200
    conf.write_text(whole)
    lab.gateway.stop()
    lab.gateway.start()


def test_a_certificate_kept_elsewhere_is_taken_up_when_it_is_renewed(lab: Lab, tmp_path: Path) -> None:
    """Nobody tells the process; certbot's name for it stays the same."""
    conf, own = lab.gateway.root / "gateway" / "nginx.conf", lab.gateway.root / "gateway"
    whole = conf.read_text()
    for end in ("crt", "key"):
        (tmp_path / f"mine.{end}").write_bytes((own / f"server.{end}").read_bytes())
    conf.write_text(whole.replace(f"{own}/server.", f"{tmp_path}/mine."))
    reload(lab)
    before = ssl.get_server_certificate(("127.0.0.1", lab.port))
    for end in ("crt", "key"):  # another one, of its own making
        (tmp_path / f"mine.{end}").write_bytes((own / f"identity.{end}").read_bytes())
    time.sleep(4.5)
    assert ssl.get_server_certificate(("127.0.0.1", lab.port)) != before
    assert probe.observe({"root": str(lab.gateway.root)})["current"]
    conf.write_text(whole)
    reload(lab)


def test_a_process_of_another_helper_is_started_again(lab: Lab) -> None:
    """What it says of itself may mean something else by now."""
    path = lab.gateway.root / "lib" / "helper.pyz"
    whole = path.read_bytes()
    assert probe.observe({"root": str(lab.gateway.root)})["current"]
    path.write_bytes(whole + b"\n")
    seen = probe.observe({"root": str(lab.gateway.root)})
    assert not seen["code"] and not seen["current"]
    path.write_bytes(whole)
