"""Each kind of system: native over @local, WSL before systemd, a container, a bare machine without a GPU."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.host.conftest import MakeHost
from tests.host.lab import Host, Lab
from tests.host.product import BIG, chat, inventory, run, site

pytestmark = pytest.mark.host


def local(lab: Lab, machine: Host, user: str, *options: str, home: str, **settings: object) -> tuple[int, str]:
    """`./run pyinfra -y @local deploy/full.py` on the machine itself, in its own copy of the project."""
    data = " ".join(f"--data {key}={value}" for key, value in {**site(lab), **settings}.items() if value != "")
    command = f"cd {home}/project && ./run pyinfra {' '.join(options)} {data} @local deploy/full.py"
    done = machine.ssh(command, user=user, check=False, timeout=900)
    return done.returncode, done.stdout + done.stderr


def test_bare_native_by_itself(lab: Lab, host: MakeHost) -> None:
    """A bare native machine without uv: one command as a user with sudo; the second time nothing changes."""
    machine = host("ubuntu-24.04", [BIG])
    lab.copy_project(machine, "ops", "/home/ops/project")
    code, text = local(lab, machine, "ops", "-y", home="/home/ops")
    assert code == 0, text
    assert "run: getting uv" in text
    assert "Paris" in chat(machine)["choices"][0]["message"]["content"]
    code, text = local(lab, machine, "ops", "-y", home="/home/ops")
    assert code == 0 and "unchanged  serving openai/gpt-oss-20b" in text, text


def test_wsl_before_systemd(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """Everything but the start, the two Windows commands, and after the restart it serves by itself."""
    machine = host("wsl-24.04-nosystemd", [BIG])
    machine.write("/etc/wsl.conf", "# mine\n[user]\ndefault=ops\n")
    where = inventory(lab, tmp_path, [machine], "ops")
    first = run(lab, where, "deploy/full.py", "-y")
    assert first.code == 0, first.text
    assert "wsl --shutdown" in first.text
    conf = machine.read("/etc/wsl.conf")
    assert conf.startswith("# mine\n[user]\ndefault=ops\n") and conf.endswith("[boot]\nsystemd=true\n")
    assert run(lab, where, "deploy/full.py", "-y", "--json").changes == 0
    machine.reboot()
    machine.ssh("for i in $(seq 60); do curl -sf http://127.0.0.1:8000/health && exit 0; sleep 1; done; exit 1")
    assert "Paris" in chat(machine)["choices"][0]["message"]["content"]
    after = run(lab, where, "deploy/full.py", "-y", "--json")
    assert (after.code, after.changes) == (0, 0), after.text


def test_container_under_supervisord(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """Where systemd never runs the same plan runs under supervisord; no worker is left when it stops."""
    machine = host("container", [BIG])
    where = inventory(lab, tmp_path, [machine], "root")
    first = run(lab, where, "deploy/full.py", "-y")
    assert first.code == 0, first.text
    assert "Paris" in chat(machine, "root")["choices"][0]["message"]["content"]
    assert run(lab, where, "deploy/full.py", "-y", "--json").changes == 0
    root = "/root/.local/share/vllm-workstation"
    machine.ssh(
        f"{root}/tools/bin/python -m supervisor.supervisorctl -c {root}/service/supervisord.conf stop vllm-workstation"
    )
    assert machine.ssh("grep -lz VLLM_WORKSTATION_SPEC /proc/[0-9]*/environ | wc -l").stdout.strip() == "0"
    again = run(lab, where, "deploy/full.py", "-y", "--json")
    assert again.code == 0 and again.changes == 1, again.text


@pytest.mark.cpu
def test_real_vllm_without_a_gpu(lab: Lab, host: MakeHost) -> None:
    """A bare machine without a GPU: real vLLM, a real small model, a true answer; the second run changes nothing."""
    if not os.environ.get("PIP_FIND_LINKS", os.environ.get("UV_FIND_LINKS")):
        pytest.skip("no folder of wheels with PyTorch's CPU build (PIP_FIND_LINKS), and its index is out of reach here")
    machine = host("debian-12", None)
    lab.copy_project(machine, "ops", "/home/ops/project")
    code, text = local(lab, machine, "ops", "-y", home="/home/ops", start_timeout=600)
    assert code == 0, text
    assert "answered 'The capital of France is Paris.'" in text
    assert "it is not gpt-oss-20b" in text
    code, text = local(lab, machine, "ops", "-y", home="/home/ops", start_timeout=600)
    assert code == 0 and "unchanged  serving SmolLM2-135M-Instruct" in text, text
