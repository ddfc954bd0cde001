"""A lab of real systemd machines (systemd-nspawn) on this one, for host tests.

    lab = Lab.start()                  # base tree, network, gateway, stand-ins; what is missing
    host = lab.host("h1", flavour="wsl-24.04", gpu=[Gpu()], layer=None, memory_mib=None)
    host.ssh("id", user="ops", check=True, timeout=60)          # CompletedProcess[str]
    host.put(path, "/opt/x"); host.write("/etc/x", "text"); host.read("/etc/x"); host.exists("/x")
    host.reboot(); host.kill(); host.stop(); host.start(); host.destroy()
    host.address; host.execs(); host.changed_files(since=None); host.removed("/etc/x")
    host.save_layer("done"); lab.host("h2", layer="done")       # start from what h1 became
    lab.copy_project(host, "ops", "/home/ops/project")
    lab.run(["pyinfra", ...], cwd=...)  # on this machine, in the lab's network, as controller
    lab.command([...])                  # the same as an argument list, for Popen
    lab.inventory_data(host, "ops")     # pyinfra's ssh_* data;  lab.ssh_key, lab.known_hosts
    with lab.rules({"wheels.vllm.ai": "status:503"}): ...       # restored at the end
    lab.rule(lab.python_index, "overlay")                       # stand-in vllm and torch projects
    lab.requests(since=t)               # what hosts asked the outside world
    lab.drop_nightly(); lab.restore_nightly()
    lab.hub.throttle(file, rate); lab.hub.cut(file, after, times); lab.hub.reset()
    lab.hf_repo, .hf_revision, .hf_old_revision; lab.cuda_key_fingerprint, .cuda_old_key
    lab.stop()                          # no process, mount, namespace or cgroup remains

Flavours: wsl-24.04 wsl-22.04 wsl-24.04-nosystemd wsl1 ubuntu-24.04 ubuntu-22.04 debian-12
container fedora (flavours.py). gpu: None no NVIDIA hardware; a list of Gpu; [] for 'GPU access
blocked'; "no-driver" for native hardware without a driver (dressing.py says where the marks lie).
Rules: pass dir overlay app:MODULE status:N drop hang (rules.py). Users: root; ops (sudo without a
password); nosudo. Caches and state are under LAB_DIR (default /var/tmp/vllm-workstation-lab);
LAB_TAG and LAB_NET let labs coexist. By hand: `python -m tests.host.lab up h1`.

Not real: the userland is Debian 12's in every flavour; uname(2) lies to dynamic programs only;
no GPU computes; vllm and torch of the stand-in indexes have no model in them; `systemd-detect-virt`
of native flavours is a script (the cgroup namespace cannot be hidden from the real one).
"""

from .gpus import Gpu, GpuChoice
from .host import Host
from .lab import Lab
from .requirements import missing
from .settings import LabError

__all__ = ["Gpu", "GpuChoice", "Host", "Lab", "LabError", "missing"]
