"""One endpoint in front of two real servers (vLLM on the processor): under load, with one stopped, one started again, and one machine alone."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.host.conftest import MakeHost
from tests.host.lab import Host, Lab
from tests.host.product import PROJECT, inventory, run, site

pytestmark = [pytest.mark.host, pytest.mark.cpu]
ROOT = "/home/ops/.local/share/vllm-workstation"
USERCTL = "XDG_RUNTIME_DIR=/run/user/1000 systemctl --user"
LEFT = 4.0  # seconds after which a workstation that is gone is known to be: a look every two


class Endpoint:
    """Two workstations and a gateway."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        first = lab.host("g0", "debian-12")
        done = run(lab, inventory(lab, folder, [first], "ops"), "deploy/full.py", "-y")
        assert done.code == 0, done.text
        first.save_layer("cpu")
        first.destroy()
        self.pcs = [lab.host(f"g{number}", "debian-12", layer="cpu") for number in (1, 2)]
        self.gateway = lab.host("gw", "debian-12")
        rows = [
            (host.name, {**lab.inventory_data(host, "ops"), **site(lab), "role": role}) for host, role in self.roles()
        ]
        self.where = folder / "inventory.py"
        self.where.write_text(f"lab = {rows!r}\n")

    def roles(self) -> list[tuple[Host, str]]:
        """Each machine and what it is."""
        return [*((pc, "workstation") for pc in self.pcs), (self.gateway, "gateway")]

    def known(self) -> tuple[str, Path]:
        """The clients' key, and a file with the certificate that they trust."""
        path = self.folder / "server.crt"
        path.write_text(self.gateway.ssh(f"cat {ROOT}/gateway/server.crt", user="ops").stdout)
        return self.gateway.ssh(f"cat {ROOT}/gateway/key", user="ops").stdout.strip(), path

    def curl(self, path: str, *more: str) -> tuple[int, str]:
        """(status, text) of a request by a client outside."""
        key, ca = self.known()
        config = f'header = "Authorization: Bearer {key}"\n'
        url = f"https://{self.gateway.address}:8443{path}"
        argv = ["curl", "-s", "-m", "60", "--cacert", str(ca), "-K", "-", "-w", "\n%{http_code}", *more, url]
        text, _, status = self.lab.run(argv, text=config, check=False).stdout.rpartition("\n")
        return int(status), text

    def load(self, seconds: float) -> subprocess.Popen[str]:
        """Four clients, two of which stream."""
        key, ca = self.known()
        words = [sys.executable, "-m", "tests.host.load", self.gateway.address, "8443", str(ca), str(seconds), "4"]
        return subprocess.Popen(
            self.lab.command(["env", f"KEY={key}", *words]), cwd=PROJECT, stdout=subprocess.PIPE, text=True
        )

    def close(self) -> None:
        """Nothing remains."""
        for host, _ in self.roles():
            host.destroy()


def told(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """What the clients saw."""
    return [json.loads(line) for line in process.communicate(timeout=300)[0].splitlines()]


@pytest.fixture(scope="module")
def endpoint(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """Set up by one run."""
    made = Endpoint(lab, tmp_path_factory.mktemp("endpoint"))
    done = run(lab, made.where, "deploy/full.py", "-y")
    assert done.code == 0 and "gw  unchanged  left alone: role = gateway" in done.text, done.text
    done = run(lab, made.where, "deploy/gateway.py", "-y")
    assert done.code == 0, done.text
    assert f"the endpoint of 2 workstations at https://{made.gateway.address}:8443/v1" in done.text
    yield made
    made.close()


def test_a_second_run_changes_nothing(endpoint: Endpoint) -> None:
    """Also on a machine that was rebooted in between; each is asked once."""
    before = [host.execs() for host, _ in endpoint.roles()]
    again = run(endpoint.lab, endpoint.where, "deploy/gateway.py", "-y", "--json")
    assert (again.code, again.changes) == (0, 0), again.text
    assert [host.execs() - was for (host, _), was in zip(endpoint.roles(), before, strict=True)] == [1, 1, 1]
    endpoint.gateway.reboot()
    again = run(endpoint.lab, endpoint.where, "deploy/gateway.py", "-y", "--json")
    assert (again.code, again.changes) == (0, 0), again.text


def test_what_passes_and_what_does_not(endpoint: Endpoint) -> None:
    """A real answer with the key; 404 elsewhere; nothing around the gateway."""
    body = {
        "model": "SmolLM2-135M-Instruct",
        "messages": [{"role": "user", "content": "What is the capital of France?"}],
    }
    chat = ["-H", "Content-Type: application/json", "-d", json.dumps({**body, "temperature": 0})]
    status, text = endpoint.curl("/v1/chat/completions", *chat)
    assert status == 200 and "Paris" in text, text
    assert endpoint.curl("/v1/models")[0] == endpoint.curl("/health")[0] == 200
    for path in ("/metrics", "/docs", "/v1/embeddings", "/tokenize", "/v1/load_lora_adapter", "/version", "/"):
        assert endpoint.curl(path)[0] == 404, path
    url = f"https://{endpoint.gateway.address}:8443/v1/models"
    bare = endpoint.lab.run(["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", url], check=False).stdout
    assert bare == "401"
    for pc in endpoint.pcs:
        direct = endpoint.lab.run(["curl", "-s", "-m", "5", f"http://{pc.address}:8000/health"], check=False)
        door = endpoint.lab.run(
            ["curl", "-sk", "-m", "5", "-w", "%{http_code}", f"https://{pc.address}:8444/v1/models"], check=False
        )
        assert direct.returncode == 7 and door.stdout[-3:] in ("403", "400", "000"), (direct, door)
    log = endpoint.gateway.ssh("journalctl -t vllm_workstation_gateway -o cat --no-pager").stdout
    assert '"POST /v1/chat/completions" 200' in log and "sk-" not in log and "capital" not in log


def test_one_stops_under_load(endpoint: Endpoint) -> None:
    """No request fails that begins after its removal; those that were under way are told."""
    process = endpoint.load(24)
    time.sleep(6)
    stopped = time.time()
    endpoint.pcs[0].ssh(f"{USERCTL} kill -s KILL vllm-workstation; {USERCTL} stop vllm-workstation", user="ops")
    seen = told(process)
    later = [one for one in seen if one["began"] > stopped + LEFT]
    assert len(later) > 5 and [one for one in later if not one["ok"]] == []
    failed = [one for one in seen if not one["ok"]]
    assert all(one["began"] < stopped + LEFT and one["ended"] > stopped for one in failed), failed
    assert len(failed) <= 4, [  # of four clients: what ended one server is not asked of the next
        (one["began"] - stopped, one["ended"] - stopped, one["said"]) for one in failed
    ]
    print(f"{len(seen)} requests, {len(failed)} failed while one workstation died, {len(later)} well after its removal")


def test_a_rerun_drains_first(endpoint: Endpoint) -> None:
    """full.py starts one server that stopped and another that has drifted, under load: no request fails."""
    done = run(endpoint.lab, endpoint.where, "deploy/full.py", "-y")
    assert done.code == 0, done.text
    time.sleep(LEFT)
    endpoint.pcs[1].ssh(f"echo OTHER=1 >>{ROOT}/service/environment", user="ops")
    process = endpoint.load(75)
    time.sleep(3)
    again = run(endpoint.lab, endpoint.where, "deploy/full.py", "-y")
    ended = time.time()
    assert again.code == 0 and "g2  changed" in again.text, again.text
    seen = told(process)
    assert [one for one in seen if not one["ok"]] == []
    assert len([one for one in seen if one["began"] < ended]) > 3
    assert not endpoint.pcs[1].exists(f"{ROOT}/gateway/draining")


def test_a_workstation_that_is_away_keeps_its_place(endpoint: Endpoint) -> None:
    """A run without it does not forget it; one that leaves the inventory is forgotten."""
    away, stays = endpoint.pcs
    away.stop()
    done = run(endpoint.lab, endpoint.where, "deploy/gateway.py", "-y")
    assert done.code == 1 and "g1  UNREACHABLE" in done.text and "the endpoint of 2 workstations" in done.text, (
        done.text
    )
    assert endpoint.curl("/v1/models")[0] == 200
    away.start()
    rows = [
        (host.name, {**endpoint.lab.inventory_data(host, "ops"), **site(endpoint.lab), "role": role})
        for host, role in endpoint.roles()[1:]
    ]
    smaller = endpoint.folder / "smaller.py"
    smaller.write_text(f"lab = {rows!r}\n")
    done = run(endpoint.lab, smaller, "deploy/gateway.py", "-y")
    assert done.code == 0 and "the endpoint of 1 workstation at" in done.text, done.text
    assert stays.name in endpoint.gateway.read(f"{ROOT}/gateway/doors.json")
    assert away.name not in endpoint.gateway.read(f"{ROOT}/gateway/doors.json")


def test_one_workstation_again(endpoint: Endpoint) -> None:
    """Without the gateway in the run its door goes on as it knows; one that knows none says so."""
    pc = endpoint.pcs[0]
    alone = run(endpoint.lab, endpoint.where, "deploy/gateway.py", "-y", "--json", "--limit", pc.name)
    assert (alone.code, alone.changes) == (0, 0), alone.text
    pc.ssh(f"rm {ROOT}/gateway/gateways.pem", user="ops")
    done = run(endpoint.lab, endpoint.where, "deploy/gateway.py", "-y", "--limit", pc.name)
    assert done.code == 1 and "no gateway is known here, and no machine of this run is a gateway" in done.text, (
        done.text
    )
    assert run(endpoint.lab, endpoint.where, "deploy/gateway.py", "-y").code == 0


def test_one_machine_alone(lab: Lab, host: MakeHost, tmp_path: Path, endpoint: Endpoint) -> None:
    """role = both: gateway and workstation in one."""
    machine = host("debian-12", layer="cpu", name="alone")
    where = inventory(lab, tmp_path, [machine], "ops", role="both")
    assert run(lab, where, "deploy/full.py", "-y").code == 0
    done = run(lab, where, "deploy/gateway.py", "-y")
    assert done.code == 0 and "the endpoint of 1 workstation at" in done.text, done.text
    key = machine.ssh(f"cat {ROOT}/gateway/key", user="ops").stdout.strip()
    asked = machine.ssh(
        f"curl -s --cacert {ROOT}/gateway/server.crt -H 'Authorization: Bearer {key}' https://localhost:8443/v1/models",
        user="ops",
    )
    assert "SmolLM2" in asked.stdout
    again = run(lab, where, "deploy/gateway.py", "-y", "--json")
    assert (again.code, again.changes) == (0, 0), again.text
