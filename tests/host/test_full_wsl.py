"""The main job on a WSL look-alike with a large card, over ssh as an unprivileged user with sudo."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host.conftest import MakeHost
from tests.host.lab import Lab
from tests.host.product import BIG, chat, inventory, run

pytestmark = pytest.mark.host


def test_ordered_pin_serves_and_stays(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """First run serves the ordered pin; the second changes nothing in each mode; a reboot changes nothing either."""
    machine = host("wsl-24.04", [BIG])
    where = inventory(lab, tmp_path, [machine], "ops")

    looked = run(lab, where, "deploy/full.py", "--dry")
    assert looked.code == 0 and "t1  planned    nothing was done yet" in looked.text, looked.text
    assert "vLLM (if 0.32.0) 3.98, model 13.79) and the CUDA toolkit (size not known yet)" in looked.text, looked.text
    assert not machine.exists("/home/ops/.local/share/vllm-workstation"), "a dry run leaves nothing"

    first = run(lab, where, "deploy/full.py", "-y")
    assert first.code == 0, first.text
    assert "vllm==0.10.1+gptoss on Python 3.11" in first.text
    assert "changed    serving openai/gpt-oss-20b at http://127.0.0.1:8000/v1; answered" in first.text
    assert "Paris" in chat(machine)["choices"][0]["message"]["content"]

    second = run(lab, where, "deploy/full.py", "-y", "--json")
    assert (second.code, second.changes) == (0, 0), second.text
    planned = run(lab, where, "deploy/full.py", "--dry", "--json")
    assert [op["name"] for op in planned.json["plan"] if op["hosts_with_change"]] == []

    looked = run(lab, where, "deploy/full.py", "--dry")
    assert "nothing would change" in looked.text and "would download nothing" in looked.text, looked.text

    machine.reboot()
    third = run(lab, where, "deploy/full.py", "-y", "--json")
    assert (third.code, third.changes) == (0, 0), third.text
    assert "Paris" in chat(machine)["choices"][0]["message"]["content"]


def test_what_was_put_where(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """Toolkit, exports, unit, key and linger, as the user's own shells and systemd see them; no driver."""
    machine = host("wsl-24.04", [BIG])
    first = run(lab, inventory(lab, tmp_path, [machine], "ops"), "deploy/full.py", "-y")
    assert first.code == 0, first.text
    assert "V12.8" in machine.ssh("bash -lc 'nvcc --version'", user="ops").stdout
    assert (
        machine.ssh("bash -ic 'echo $LD_LIBRARY_PATH' 2>/dev/null", user="ops").stdout.strip()
        == "/usr/local/cuda-12.8/lib64"
    )
    packages = machine.ssh("dpkg-query -W -f '${Package}\\n'").stdout.split()
    assert "cuda-toolkit-12-8" in packages
    assert not [name for name in packages if name.startswith(("cuda-drivers", "nvidia-driver", "libnvidia-compute"))]
    simulated = machine.ssh("apt-get -s install cuda-drivers", check=False)
    assert simulated.returncode != 0, "the driver is pinned away in WSL"
    show = machine.ssh(
        "XDG_RUNTIME_DIR=/run/user/1000 systemctl --user show vllm-workstation -p ActiveState,UnitFileState,KillMode",
        user="ops",
    ).stdout
    assert {"ActiveState=active", "UnitFileState=enabled", "KillMode=mixed"} <= set(show.split())
    assert machine.ssh("stat -c %a ~/.local/share/vllm-workstation/service/api-key", user="ops").stdout.strip() == "600"
    pid = machine.ssh("pgrep -u ops -f 'vllm serve' | head -1").stdout.strip()
    environment = machine.ssh(f"tr '\\0' '\\n' </proc/{pid}/environ").stdout
    assert "LD_LIBRARY_PATH" not in environment
    assert "sk-" not in machine.ssh(f"tr '\\0' ' ' </proc/{pid}/cmdline").stdout
