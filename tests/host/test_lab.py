"""The lab itself: hosts pass for what they claim to be, and stop leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import MakeHost
from .lab import Gpu, Lab, LabError
from .lab.flavours import FLAVOURS

pytestmark = pytest.mark.host

LOOK = """
. /etc/os-release; echo "$ID $VERSION_ID"; uname -r; systemd-detect-virt; cat /proc/1/comm
[ -d /run/systemd/system ] && echo systemd || echo other
[ -c /dev/dxg ] && echo dxg || echo none
[ -e /run/.containerenv ] && echo container || echo machine
"""


@pytest.mark.parametrize("name", FLAVOURS)
def test_flavour(host: MakeHost, name: str) -> None:
    """Each flavour boots and shows its marks to a user who logs in."""
    flavour = FLAVOURS[name]
    seen = host(name).ssh(LOOK, user="ops").stdout.split("\n")
    assert seen[0] == f"{flavour.system} {flavour.version}"
    if flavour.wsl:
        assert seen[1] == flavour.kernel
    assert seen[2] == ("wsl" if flavour.wsl else "podman" if flavour.container else "none")
    with_systemd = flavour.wsl_systemd if flavour.pid1 == "wslconf" else flavour.pid1 == "systemd"
    assert seen[3:5] == (["systemd", "systemd"] if with_systemd else ["init", "other"])
    assert seen[5] == ("dxg" if flavour.wsl == 2 else "none")
    assert seen[6] == ("container" if flavour.container else "machine")


def test_users(host: MakeHost) -> None:
    """ops has sudo without a password; nosudo has none."""
    machine = host()
    assert machine.ssh("sudo -n id -u", user="ops").stdout == "0\n"
    assert machine.ssh("sudo -n id -u", user="nosudo", check=False).returncode
    with pytest.raises(LabError, match="exit status 3"):
        machine.ssh("exit 3")


def test_product_must_bring_its_tools(host: MakeHost) -> None:
    """No uv, pip, venv or compiler; no CA settings but the system's store."""
    tools = "command -v uv pip pip3 gcc cc; python3 -c 'import ensurepip'; ls /etc/uv /etc/pip.conf"
    machine = host()
    assert machine.ssh(tools, check=False).stdout == ""
    assert "CERT" not in machine.ssh("env; cat /etc/environment", user="ops").stdout


def test_services_run(host: MakeHost) -> None:
    """The system comes up whole, and a user manager answers."""
    machine = host("wsl-24.04")
    machine.ssh("systemctl is-system-running --wait")
    assert machine.ssh("systemctl --user is-active default.target", user="ops").stdout == "active\n"
    assert machine.ssh("loginctl enable-linger ops && systemctl start user@1000").returncode == 0


STARTED = "ps -o lstart= -p 1; stat -c %Z /run/lock"


def test_reboot_keeps_the_disk(host: MakeHost) -> None:
    """A clean reboot, a pulled plug: files stay, /run does not."""
    machine = host("ubuntu-24.04")
    machine.write("/home/ops/kept", "text\n", user="ops")
    for pull_the_plug in (False, True):
        machine.ssh("touch /run/gone && sync")
        before = machine.ssh(STARTED).stdout
        if pull_the_plug:
            machine.kill()
            machine.start()
        else:
            machine.reboot()
        assert machine.read("/home/ops/kept") == "text\n"
        assert not machine.exists("/run/gone")
        assert machine.ssh("cat /proc/sys/kernel/random/boot_id; stat -c %Z /proc/1").stdout != before


def test_wsl_conf_decides_about_systemd(host: MakeHost) -> None:
    """As `wsl --shutdown` and the next start: [boot] systemd=true is read then."""
    machine = host("wsl-24.04-nosystemd")
    assert machine.ssh("cat /proc/1/comm").stdout == "init\n"
    machine.write("/etc/wsl.conf", machine.read("/etc/wsl.conf") + "\n[boot]\nsystemd=true\n")
    machine.reboot()
    assert machine.ssh("cat /proc/1/comm").stdout == "systemd\n"


def test_orphans_are_reaped_without_systemd(host: MakeHost) -> None:
    """The small init collects what is left behind."""
    machine = host("container")
    machine.ssh("setsid sh -c 'sleep 0.2 & exit' & sleep 0.6")
    assert "Z" not in machine.ssh("ps -eo stat=").stdout.split()


def test_files_and_counts(host: MakeHost, tmp_path: Path) -> None:
    """put, write, read; what changed; how many commands came over ssh."""
    machine = host()
    (tmp_path / "tool").write_text("#!/bin/sh\necho ran\n")
    (tmp_path / "tool").chmod(0o755)
    machine.put(tmp_path / "tool", "/opt/tool")
    machine.put(tmp_path, "/home/ops/folder", user="ops")
    assert machine.ssh("/opt/tool && /home/ops/folder/tool", user="ops").stdout == "ran\nran\n"
    before = machine.execs()
    machine.ssh("rm /etc/issue; true")
    assert machine.execs() == before + 1
    assert {"/opt/tool", "/home/ops/folder/tool", "/etc/issue"} <= set(machine.changed_files())
    assert machine.removed("/etc/issue")
    assert not machine.removed("/opt/tool")


def test_layer(host: MakeHost) -> None:
    """A second host starts from what the first became, with an identity of its own."""
    first = host()
    first.write("/opt/converged", "yes\n")
    first.save_layer("test")
    second = host(layer="test")
    assert second.read("/opt/converged") == "yes\n"
    every = [machine.ssh("cat /etc/machine-id /etc/hostname").stdout for machine in (first, second)]
    assert every[0].split()[0] != every[1].split()[0]
    assert [text.split()[1] for text in every] == ["t1", "t2"]


def test_copy_project(lab: Lab, host: MakeHost) -> None:
    """The working tree without what git ignores."""
    machine = host()
    lab.copy_project(machine, "ops", "/home/ops/project")
    assert machine.exists("/home/ops/project/tests/host/test_lab.py")
    assert not machine.exists("/home/ops/project/.git")


def test_controller(lab: Lab, host: MakeHost) -> None:
    """A command here reaches hosts, with the data that pyinfra takes."""
    data = lab.inventory_data(host(), "ops")
    target = f"{data['ssh_user']}@{data['ssh_hostname']}"
    known = f"UserKnownHostsFile={data['ssh_known_hosts_file']}"
    done = lab.run(["ssh", "-F", "none", "-i", data["ssh_key"], "-o", known, target, "id -un"])
    assert done.stdout == "ops\n"


QUERY = "index,name,memory.total,memory.free,memory.used,driver_version,compute_cap"


def test_gpus_of_wsl(host: MakeHost) -> None:
    """nvidia-smi lies in /usr/lib/wsl/lib only; the banner has both driver numbers."""
    gpus = [Gpu(), Gpu("NVIDIA GeForce RTX 3060", 12288, 11000, compute_capability="8.6")]
    machine = host("wsl-24.04", gpu=gpus)
    smi = "/usr/lib/wsl/lib/nvidia-smi"
    assert machine.ssh("command -v nvidia-smi", check=False, user="ops").stdout == ""
    rows = machine.ssh(f"{smi} --query-gpu={QUERY} --format=csv,noheader,nounits").stdout
    assert rows.splitlines()[1] == "1, NVIDIA GeForce RTX 3060, 12288, 11000, 1288, 576.80, 8.6"
    banner = machine.ssh(smi).stdout
    assert "NVIDIA-SMI 575.64.01" in banner
    assert "Driver Version: 576.80" in banner
    assert "CUDA Version: 12.9" in banner
    assert {len(line) for line in banner.splitlines()[1:]} == {91}
    assert machine.ssh(f"{smi} -L").stdout.startswith("GPU 0: NVIDIA GeForce RTX 5090 (UUID: GPU-")
    load = "import ctypes;c=ctypes.CDLL('libcuda.so.1');v=ctypes.c_int();c.cuDriverGetVersion"
    version = machine.ssh(["python3", "-c", f"{load}(ctypes.byref(v));print(v.value)"]).stdout
    assert version == "12090\n"


def test_gpus_of_native_machines(host: MakeHost) -> None:
    """A driver, hardware without a driver, a blocked GPU, no hardware."""
    vendor = "cat /sys/bus/pci/devices/*/vendor | grep -c 0x10de; command -v nvidia-smi"
    driven = host("ubuntu-24.04", gpu=[Gpu(driver="570.133.20")])
    assert driven.ssh(vendor).stdout == "1\n/usr/bin/nvidia-smi\n"
    assert driven.ssh("nvidia-smi").stdout.count("570.133.20") == 2
    assert driven.ssh("test -c /dev/nvidia0 -a -c /dev/nvidiactl").returncode == 0
    bare = host("ubuntu-24.04", gpu="no-driver")
    assert bare.ssh(vendor, check=False).stdout == "1\n"
    assert host("debian-12").ssh(vendor, check=False).stdout == "0\n"
    blocked = host("wsl-24.04", gpu=[]).ssh("/usr/lib/wsl/lib/nvidia-smi", check=False)
    assert "GPU access blocked by the operating system" in blocked.stdout
    assert blocked.returncode == 255


def test_memory(host: MakeHost) -> None:
    """A host can claim another size of memory."""
    assert "MemTotal:       65536" in host(memory_mib=64).read("/proc/meminfo")


def test_reset_undoes_what_a_killed_test_left(lab: Lab) -> None:
    """Rules, the hub's faults and the nightly that is gone: a run killed by a power cut restores none of them."""
    lab.drop_nightly()
    lab.rule(lab.python_index, "overlay")
    lab.hub.throttle("model.safetensors", 1)
    lab.reset()
    assert list(lab.settings.www.glob("download.pytorch.org/whl/nightly/cu128/torch/*dev20250804*"))
    assert json.loads((lab.directory / "rules.json").read_text())[lab.python_index] == "pass"
    assert lab.hub.load()["rate"] == {}


def test_stop_leaves_nothing(lab: Lab) -> None:
    """A second lab, with its own tag, comes and goes."""
    script = (
        "from tests.host.lab import Lab; lab = Lab.start(); lab.host('h1', 'wsl-24.04'); lab.host("
        "'h2', 'container'); print(lab.host('h1').ssh('hostname').stdout); lab.stop()"
    )
    env = {"LAB_TAG": "vwother", "LAB_DIR": f"{lab.directory}/other"}
    for cache in ("tree", "base", "ca", "key"):
        link_caches(lab.directory, Path(env["LAB_DIR"]), cache)
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True,
        env={**dict(os.environ), **env}, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout == "h1\n\n", done.stderr
    assert env["LAB_DIR"] not in Path("/proc/mounts").read_text()
    assert not list(Path("/run/netns").glob("vwother*"))
    assert not list(Path("/sys/fs/cgroup").glob("*/vwother"))
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [line for line in lines if env["LAB_DIR"].encode() in line]
    assert json.loads((lab.directory / "rules.json").read_text())


def link_caches(source: Path, target: Path, name: str) -> None:
    """Let another lab use this one's caches."""
    target.mkdir(exist_ok=True)
    for path in source.glob(f"{name}*"):
        link = target / path.name
        if not link.exists():
            link.symlink_to(path)
