"""The doctor on real hosts: reads only, finds nothing on a healthy one, and says why another does not serve."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.host.faults.machines import HEALTHY
from tests.host.lab import Host, Lab
from tests.host.product import BIG, Run, inventory, run

pytestmark = pytest.mark.host
ROOT = "/home/ops/.local/share/vllm-workstation"
# Everything on the machine: files with bytes' count and times, folders without; apart from what the system itself goes on writing.
TREE = (
    "find / /tmp /dev/shm -xdev -not -path '/proc/*' -not -path '/run/*' -not -path '/sys/*' -not -path '/dev/pts*' "
    "-not -path '/var/log/journal/*' -not -path '/var/log/*tmp' -not -path '/var/log/lastlog' -not -path '/var/log/auth.log' -not -path '*sshd.log' "
    r"-not -path '/var/log/syslog' -not -path '/var/lib/systemd/*' \( -type d -printf '%p %m %u\n' -o -printf '%p %s %C@ %m %u\n' \) | sort"
)

OUT_OF_MEMORY = """
set -e; export XDG_RUNTIME_DIR=/run/user/1000
mkdir -p ~/.config/systemd/user/vllm-workstation.service.d
cat >~/dying.sh <<'E'
echo "INFO 11-23 10:00:00 [gpu_model_runner.py:2338] Starting to load model"
echo "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
exit 1
E
printf '[Service]\\nExecStart=\\nExecStart=/bin/sh %%h/dying.sh\\nRestart=no\\n' >~/.config/systemd/user/vllm-workstation.service.d/dying.conf
systemctl --user daemon-reload; systemctl --user stop vllm-workstation; systemctl --user start --no-block vllm-workstation
for i in $(seq 100); do systemctl --user is-failed -q vllm-workstation && break; sleep 0.2; done
"""


@pytest.fixture(scope="module")
def served(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A WSL look-alike that serves."""
    lab.destroy("doctor")
    machine = lab.host("doctor", "wsl-24.04", [BIG])
    ended = run(lab, inventory(lab, tmp_path_factory.mktemp("first"), [machine], "ops"), "deploy/full.py", "-y")
    assert ended.code == 0, ended.text
    machine.ssh(HEALTHY)
    yield machine
    machine.destroy()


def examined(lab: Lab, folder: Path, hosts: list[Host], **settings: Any) -> tuple[list[dict[str, Any]], Run]:
    """The doctor's reports and how it ended."""
    ended = run(lab, inventory(lab, folder, hosts, "ops", report=str(folder / "out"), **settings), "deploy/doctor.py")
    path = folder / "out" / "report.json"
    assert path.exists(), ended.text
    return json.loads(path.read_text())["hosts"], ended


def test_a_healthy_host(lab: Lab, served: Host, tmp_path: Path) -> None:
    """No finding, exit 0, and not one file is another afterwards."""
    before = served.ssh(TREE).stdout
    (host,), ended = examined(lab, tmp_path, [served])
    assert ended.code == 0 and host["state"] == "healthy", ended.text
    assert host["primary"] is None and host["others"] == [] and host["changes"] == []
    assert host["card"]["name"] == BIG.name and host["answer"]["tokens"] and host["memory"]["parts"]
    assert {one["code"] for one in host["advice"]} >= {"WSL-KEEP"}
    assert "healthy" in ended.text and (tmp_path / "out" / "report.html").read_text().count(served.name) >= 1
    assert served.ssh(TREE).stdout == before


def test_nothing_of_who_and_where(lab: Lab, served: Host, tmp_path: Path) -> None:
    served.ssh(f"mv {ROOT}/service/environment /root/environment")
    (host,), ended = examined(lab, tmp_path, [served], redact=True)
    served.ssh(f"mv /root/environment {ROOT}/service/environment")
    told = (tmp_path / "out" / "report.json").read_text() + (tmp_path / "out" / "report.html").read_text()
    assert host["name"] == "host-1" and host["primary"]["code"] == "ENVIRONMENT" and ended.code == 1
    assert served.name not in told and "/home/ops" not in told and "~/.local/share" in told


def test_why_a_server_does_not_start(lab: Lab, served: Host, tmp_path: Path) -> None:
    """The journal of the last start is read: its cause comes before the symptom."""
    served.ssh("bash", user="ops", text=OUT_OF_MEMORY)
    (host,), ended = examined(lab, tmp_path, [served])
    codes = [host["primary"]["code"], *(one["code"] for one in host["others"])]
    told = served.ssh("journalctl -t vllm-workstation --no-pager -q -o short-iso -n 40", user="ops").stdout
    assert codes[0] == "OOM-LOAD" and ended.code == 1, (codes, ended.text, told)


def test_a_lab(lab: Lab, served: Host, tmp_path: Path) -> None:
    """One that serves, one that was never set up, one that is not there: each its own state, and the worst is the exit."""
    lab.destroy("doctor-new")
    new = lab.host("doctor-new", "ubuntu-24.04", [BIG])
    where = inventory(lab, tmp_path, [served, new], "ops", report=str(tmp_path / "out"))
    text = where.read_text()
    gone = dict(lab.inventory_data(new, "ops"), ssh_hostname="10.255.255.1", ssh_connect_timeout=3)
    where.write_text(text.replace("lab = [", f"lab = [('gone', {gone!r}), ", 1))
    # Without -y pyinfra asks whether to go on without the one that is gone.
    ended = run(lab, where, "deploy/doctor.py", "-y")
    hosts = {host["name"]: host for host in json.loads((tmp_path / "out" / "report.json").read_text())["hosts"]}
    new.destroy()
    assert ended.code == 2, ended.text
    assert hosts["gone"]["state"] == "unreachable" and hosts["gone"]["primary"]["code"] == "UNREACHABLE"
    assert hosts["doctor-new"]["state"] == "rerun" and hosts["doctor-new"]["primary"]["code"] == "NOT-SET-UP"
    assert hosts["doctor-new"]["changes"] and {name: host["exit"] for name, host in hosts.items()} == {
        "gone": 2,
        "doctor-new": 1,
        served.name: hosts[served.name]["exit"],
    }
