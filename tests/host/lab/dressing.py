"""Give a host's tree the marks of its flavour and its GPUs.

Where a mark lies under /proc, /sys, /dev or /run it is written to /usr/lib/standin/marks.json and
laid by guest/init.py at each boot. NVIDIA hardware on a native machine (`gpu="no-driver"` or GPUs)
is a PCI device with vendor 0x10de, class 0x030000 in a directory bound over /sys/bus/pci/devices.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from .flavours import Flavour, lsb_release, os_release
from .gpus import GpuChoice, describe
from .settings import GUEST
from .shell import run

STANDIN = "usr/lib/standin"
_INTEROP = "enabled\ninterpreter /init\nflags: P\noffset 0\nmagic 4d5a\n"
_WSL_CONF = "# written when the distribution was installed\n[user]\ndefault=ops\n"


@dataclass
class Marks:
    """What guest/init.py lays at each boot."""

    pid1: str
    manager: str
    tmpfs: list[str] = field(default_factory=list)
    devices: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    binds: dict[str, str] = field(default_factory=dict)


def dress(root: Path, flavour: Flavour, gpu: GpuChoice, memory_mib: int | None, built: Path) -> None:
    """Put everything in place under ROOT; BUILT holds the compiled libraries."""
    (root / STANDIN).mkdir(parents=True, exist_ok=True)
    marks = Marks(flavour.pid1, flavour.manager)
    _distribution(root, flavour)
    if flavour.wsl:
        _wsl(root, flavour, marks, built)
    if not flavour.manager:
        _of_its_own(root)
    if flavour.container:
        marks.files["/run/.containerenv"] = 'engine="podman-4.3.1"\nname="standin"\n'
    if gpu is not None and gpu != "no-driver":
        _gpus(root, flavour, gpu, marks, built)
    if gpu is not None and not flavour.wsl:
        _pci(root, 1 if gpu == "no-driver" else len(gpu), marks)
    if memory_mib:
        _memory(root, memory_mib, marks)
    shutil.copy(GUEST / "init.py", root / STANDIN / "init")
    (root / STANDIN / "init").chmod(0o755)
    (root / STANDIN / "marks.json").write_text(json.dumps(marks.__dict__))


def compile_libraries(built: Path) -> None:
    """The two small C libraries, when their source is newer."""
    built.mkdir(parents=True, exist_ok=True)
    for name, soname in (("uname", "standin-uname.so"), ("libcuda", "libcuda.so.1")):
        source, target = GUEST / f"{name}.c", built / f"{name}.so"
        if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            run(["gcc", "-shared", "-fPIC", f"-Wl,-soname,{soname}", "-o", target, source])


def _distribution(root: Path, flavour: Flavour) -> None:
    if text := os_release(flavour):
        (root / "usr/lib/os-release").write_text(text)
        (root / "etc/os-release").unlink(missing_ok=True)
        (root / "etc/os-release").symlink_to("../usr/lib/os-release")
    if text := lsb_release(flavour):
        (root / "etc/lsb-release").write_text(text)


def _wsl(root: Path, flavour: Flavour, marks: Marks, built: Path) -> None:
    """What programs look at to see WSL; no Windows program runs."""
    (root / STANDIN / "osrelease").write_text(flavour.kernel + "\n")
    (root / STANDIN / "version").write_text(flavour.proc_version)
    marks.binds["/proc/sys/kernel/osrelease"] = f"/{STANDIN}/osrelease"
    marks.binds["/proc/version"] = f"/{STANDIN}/version"
    marks.tmpfs.append("/proc/sys/fs/binfmt_misc")
    marks.files["/proc/sys/fs/binfmt_misc/WSLInterop"] = _INTEROP
    marks.files["/run/WSL/1_interop"] = ""
    shutil.copy(built / "uname.so", root / STANDIN / "uname.so")
    (root / "etc/ld.so.preload").write_text(f"/{STANDIN}/uname.so\n")
    boot = "\n[boot]\nsystemd=true\n" if flavour.wsl_systemd else ""
    (root / "etc/wsl.conf").write_text(_WSL_CONF + boot)
    mask = root / "etc/systemd/system/systemd-binfmt.service"
    mask.unlink(missing_ok=True)
    mask.symlink_to("/dev/null")
    for name in ("mnt/c/Windows/System32", "mnt/wsl"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "init").write_text("#!/bin/sh\nexit 0\n")
    (root / "init").chmod(0o755)
    for name in ("wslpath", "wslinfo"):
        path = root / "usr/bin" / name
        path.unlink(missing_ok=True)  # a layer has it already
        path.symlink_to("/init")
    if flavour.wsl == 2:
        marks.devices.append("/dev/dxg")
        _wsl_libraries(root, built)


def _of_its_own(root: Path) -> None:
    """No container: systemd-detect-virt would still see the cgroup namespace, so a stand-in."""
    path = root / "usr/bin/systemd-detect-virt"
    path.unlink(missing_ok=True)
    path.write_text('#!/bin/sh\n# standin: a machine of its own\n[ "$1" = -q ] || echo none\nexit 1\n')
    path.chmod(0o755)


def _wsl_libraries(root: Path, built: Path) -> None:
    """/usr/lib/wsl/lib: three copies instead of links, as on real hosts (WSL #5548)."""
    libraries = root / "usr/lib/wsl/lib"
    libraries.mkdir(parents=True, exist_ok=True)
    (root / "usr/lib/wsl/drivers").mkdir(exist_ok=True)
    (root / "etc/ld.so.conf.d/ld.wsl.conf").write_text("/usr/lib/wsl/lib\n")
    shutil.copy(built / "libcuda.so", libraries / "libdxcore.so")


def _gpus(root: Path, flavour: Flavour, gpu: GpuChoice, marks: Marks, built: Path) -> None:
    assert gpu is not None
    assert gpu != "no-driver"
    (root / "etc/standin-gpu.json").write_text(describe(gpu, bool(flavour.wsl)))
    native = not flavour.wsl
    libraries = root / ("usr/lib/x86_64-linux-gnu" if native else "usr/lib/wsl/lib")
    for name in ("libcuda.so", "libcuda.so.1", "libcuda.so.1.1", "libnvidia-ml.so.1"):
        shutil.copy(built / "libcuda.so", libraries / name)
    smi = (root / "usr/bin" if native else libraries) / "nvidia-smi"
    shutil.copy(GUEST / "nvidia_smi.py", smi)
    smi.chmod(0o755)
    run(["chroot", root, "ldconfig"], check=False)
    if native:
        marks.devices += ["/dev/nvidiactl", "/dev/nvidia-uvm"]
        marks.devices += [f"/dev/nvidia{i}" for i in range(len(gpu))]


def _pci(root: Path, count: int, marks: Marks) -> None:
    """One display controller of NVIDIA's a GPU: vendor 0x10de, class 0x030000."""
    marks.binds["/sys/bus/pci/devices"] = f"/{STANDIN}/pci"
    for i in range(max(1, count)):
        device = root / STANDIN / f"pci/0000:{i + 1:02x}:00.0"
        device.mkdir(parents=True)
        (device / "vendor").write_text("0x10de\n")
        (device / "device").write_text("0x2b85\n")
        (device / "class").write_text("0x030000\n")


def _memory(root: Path, mib: int, marks: Marks) -> None:
    """/proc/meminfo of a machine with MIB of memory, nearly all of it free."""
    free = mib * 1024 * 9 // 10
    text = f"MemTotal:       {mib * 1024} kB\nMemFree:        {free} kB\nMemAvailable:   {free} kB\n"
    zero = "".join(f"{n}: 0 kB\n" for n in ("Buffers", "Cached", "SwapTotal", "SwapFree", "Shmem"))
    (root / STANDIN / "meminfo").write_text(text + zero)
    marks.binds["/proc/meminfo"] = f"/{STANDIN}/meminfo"
