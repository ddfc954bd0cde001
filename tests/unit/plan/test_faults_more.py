"""Causes that a review found missing or wrong, in the words that programs and the kernel write, and who must act."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy import command as main
from plan.fault_table import words
from plan.faults import diagnose
from plan.faults_kernel import kernel

START = "INFO 11-23 10:00:00 [gpu_model_runner.py:2338] Starting to load model openai/gpt-oss-20b...\n"
WSL = "WARNING 11-23 09:59:00 [interface.py:729] Using 'pin_memory=False' as WSL is detected. This may slow down the performance.\n"
MUCH = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 512.00 MiB. GPU 0 has a total capacity of 79.10 GiB of which 50.25 GiB is free."
APT = "E: Failed to fetch http://mirror.example/ubuntu/pool/main/g/gcc-13/gcc-13_13.2.0-4ubuntu3_amd64.deb"
HCS = "Wsl/Service/CreateInstance/CreateVm/HCS/HCS_E_CONNECTION_TIMEOUT"
SLOW = "The operation timed out because a response was not received from the virtual machine or container."

PERSON = [
    (
        "MEMORY-HOST",
        START
        + "RuntimeError: unable to mmap 123456 bytes from file </x/model-00001.safetensors>: Cannot allocate memory (12)",
    ),
    (
        "MEMORY-HOST",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 1061683200 bytes. "
        "Error code 12 (Cannot allocate memory)",
    ),
    (
        "MEMORY-HOST",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes.",
    ),
    ("MEMORY-HOST", "OSError: [Errno 12] Cannot allocate memory"),
    ("MEMORY-HOST", 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    return g()\nMemoryError'),
    (
        "MEMORY-HOST",
        "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 2.00 GiB for an array with shape (268435456,)",
    ),
    ("MEMORY-HOST", "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc"),
    ("MEMORY-HOST", "memory allocation of 1073741824 bytes failed"),
    ("MEMORY-HOST", "-bash: fork: Cannot allocate memory"),
    ("WSL-BROKEN", f"{SLOW}\nError code: {HCS}"),
    ("WSL-BROKEN", SLOW),
    ("WSL-BROKEN", f"因為未從虛擬機器或容器收到回應，所以作業逾時。\n錯誤碼: {HCS}"),
    ("DISK-READ-ONLY", "OSError: [Errno 30] Read-only file system: '/home/u/.local/share/vllm-workstation/releases'"),
    (
        "DISK-READ-ONLY",
        "error: failed to create directory `/home/u/.cache/uv`: Read-only file system (os error 30)",
    ),
    ("DISK-READ-ONLY", "[ 1822.114512] EXT4-fs (sdc): Remounting filesystem read-only"),
    ("SUDO", "alice is not in the sudoers file."),
    (
        "SUDO",
        "sudo: a terminal is required to read the password; either use the -S option or configure an askpass helper\n"
        "sudo: a password is required",
    ),
    ("SUDO", "sudo: a password is required"),
    ("SUDO", "sudo: 3 incorrect password attempts"),
    ("SUDO", "Sorry, user alice may not run sudo on pc."),
    (
        "APT-RELEASE",
        "E: The repository 'http://mirror.example/ubuntu mantic Release' does not have a Release file.\n"
        "N: Updating from such a repository can't be done securely, and is therefore disabled by default.",
    ),
    ("APT-RELEASE", "E: The repository 'http://mirror.example/ubuntu mantic Release' no longer has a Release file."),
    (
        "CLOCK",
        "E: Release file for http://mirror.example/ubuntu/dists/noble-updates/InRelease is not valid yet (invalid for another 5h 3min 2s). "
        "Updates for this repository will not be applied.",
    ),
    (
        "FORBIDDEN",
        "error: Failed to fetch: `https://mirror.example/simple/vllm/`\n"
        "  Caused by: HTTP status client error (403 Forbidden) for url (https://mirror.example/simple/vllm/)",
    ),
    (
        "FORBIDDEN",
        "ERROR: HTTP error 403 while getting https://mirror.example/vllm.whl\n"
        "ERROR: 403 Client Error: Forbidden for url: https://mirror.example/vllm.whl",
    ),
    ("FORBIDDEN", f"{APT}  403  Forbidden [IP: 192.0.2.1 80]"),
]
MENDED = [
    (
        "APT-PACKAGE",
        f"{APT}  404  Not Found [IP: 192.0.2.1 80]\n"
        "E: Unable to fetch some archives, maybe run apt-get update or try with --fix-missing?",
    ),
    (
        "DOWNLOAD-TIMEOUT",
        "error: Failed to fetch: `https://mirror.example/simple/vllm/`\n  Caused by: operation timed out",
    ),
    ("HOST-PINNED", "RuntimeError: cudaHostAlloc failed: Cannot allocate memory"),
    (
        "HOST-PINNED",
        START + "    cpu_data = p.data.pin_memory()\nRuntimeError: CUDA error: out of memory\nstd::bad_alloc",
    ),
    (
        "WSL-MANAGED",
        "MemoryError: std::bad_alloc: CUDA error at: mr/device/managed_memory_resource.hpp:73: out of memory",
    ),
    ("OOM-LOAD", START + "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"),
    ("MEMORY-HIDDEN", MUCH),
    ("MEMORY-HIDDEN", START + MUCH),
    ("WSL-OVERHEAD", WSL + START + "INFO 11-23 10:00:01 [x.py:1] loading\n" * 30 + MUCH),
    ("WSL-OVERHEAD", "Linux pc 6.6.87.2-microsoft-standard-WSL2 x86_64\n" + MUCH),
    ("PERMISSION", "PermissionError: [Errno 13] Permission denied: '/home/u/.local/share/vllm-workstation/lib'"),
]


@pytest.mark.parametrize(("wanted", "log"), PERSON)
def test_what_a_person_must_do(wanted: str, log: str) -> None:
    found = diagnose(log)
    assert [found[0].code, found[0].person] == [wanted, True] and found[0].repair is None


@pytest.mark.parametrize(("wanted", "log"), MENDED)
def test_what_a_rerun_mends(wanted: str, log: str) -> None:
    found = diagnose(log)
    assert [found[0].code, found[0].person] == [wanted, False] and found[0].repair


@pytest.mark.parametrize(
    ("never", "log"),
    [
        ("WSL-OVERHEAD", START + MUCH),
        (
            "MEMORY-HOST",
            "ImportError: /v/libgomp-a34b3233.so.1.0.0: cannot allocate memory in static TLS block",
        ),
        ("MEMORY-HOST", "terminate called: std::bad_alloc: cudaErrorMemoryAllocation: out of memory"),
        ("DISK-READ-ONLY", "rm: cannot remove '/usr/lib/wsl/drivers/nv.inf/libcuda.so': Read-only file system"),
        ("DISK-READ-ONLY", 'sysctl: setting key "vm.max_map_count": Read-only file system'),
        ("APT-PACKAGE", "E: Failed to fetch http://mirror.example/ubuntu/dists/mantic/Release  404  Not Found"),
        ("FORBIDDEN", "403 Client Error: Forbidden for url: https://huggingface.co/openai/gpt-oss-20b"),
    ],
)
def test_what_is_another_thing(never: str, log: str) -> None:
    assert never not in {one.code for one in diagnose(log)}


def test_an_unknown_end_asks_for_a_rerun_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = f"{tmp_path}/log"
    with open(log, "w") as file:
        file.write("frob.Frobnication: the frob is off\nERROR: it failed\n")
    assert main.main(["faults", log]) == 1
    assert capsys.readouterr().out.startswith("UNKNOWN: ")
    (found,) = diagnose("ERROR: the frob failed")
    assert not found.person and found.repair is None and "Run deploy/full.py again" in found.fix


def pc(*lines: str) -> str:
    return "\n".join(f"2026-11-23T15:12:36+0000 pc kernel: {line}" for line in lines)


TOTAL = (
    "total-vm:51233412kB, anon-rss:14723232kB, file-rss:0kB, shmem-rss:0kB, UID:1000 pgtables:30000kB oom_score_adj:0"
)
XID = "NVRM: Xid (PCI:0000:01:00): 31, pid=4242, name={}, Ch 00000008, intr 00000000. MMU Fault: ENGINE GRAPHICS"


def event(invoker: str, name: str) -> str:
    return pc(
        f"{invoker} invoked oom-killer: gfp_mask=0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), order=0, oom_score_adj=0",
        f"CPU: 3 PID: 4242 Comm: {invoker} Not tainted 6.8.0-49-generic #49-Ubuntu",
        " oom_kill_process+0x118/0x280",
        "Tasks state (memory values in pages):",
        f"oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/user.slice,task={name},pid=4242,uid=1000",
        f"Out of memory: Killed process 4242 ({name}) {TOTAL}",
        f"oom_reaper: reaped process 4242 ({name}), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB",
    )


def ro(device: str) -> str:
    return pc(
        f"EXT4-fs error (device {device}): ext4_journal_check_start:84: Detected aborted journal",
        f"EXT4-fs ({device}): Remounting filesystem read-only",
    )


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("", []),
        (event("python3", "chrome"), []),
        (event("chrome", "VLLM::EngineCor"), ["MEMORY-KILLED"]),
        (event("chrome", "pt_main_thread"), ["MEMORY-KILLED"]),
        (event("chrome", "Web Content") + "\n" + event("gnome-shell", "python3.12"), ["MEMORY-KILLED"]),
        (pc("Out of memory: Killed process 4242 (chrome) " + TOTAL), []),
        (pc("Memory cgroup out of memory: Killed process 77 (python3) " + TOTAL), ["MEMORY-KILLED"]),
        (pc("Memory cgroup out of memory: Killed process 77 (node) " + TOTAL), []),
        (pc("Memory cgroup out of memory: OOM victim 77 (node) is already exiting. Skip killing the task"), []),
        (
            pc(
                "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),oom_memcg=/a,task_memcg=/a,task=python3,pid=77,uid=0"
            ),
            ["MEMORY-KILLED"],
        ),
        (pc("python3 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0"), []),
        (pc("oom_reaper: reaped process 4242 (python3), now anon-rss:0kB"), []),
        (pc(XID.format("python3")), ["XID"]),
        (pc(XID.format("VLLM::EngineCor")), ["XID"]),
        (pc(XID.format("Xorg")), []),
        (pc("NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus."), ["XID"]),
        (pc("NVRM: Xid (PCI:0000:01:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus."), ["XID"]),
        (pc("python3[4242]: segfault at 0 ip 00007f sp 00007f error 4 in libnccl.so.2[7f+d3]"), ["SEGFAULT"]),
        (pc("VLLM::EngineCor[4242]: segfault at 0 ip 00007f sp 00007f error 4 in libcuda.so.1"), ["SEGFAULT"]),
        (pc("chrome[99]: segfault at 0 ip 00007f sp 00007f error 4 in chrome[55+d3]"), []),
        (pc("misc dxg: dxgk: dxgvmb_send_make_resident: failed: -12"), ["WSL-RESIDENT"]),
        (ro("sdc"), ["DISK-READ-ONLY"]),
        (
            pc("usb 1-1: error: frobnication failed", "bluetooth hci0: Connection timed out", "tun0 is already in use"),
            [],
        ),
    ],
)
def test_the_kernel_speaks_of_us_only_by_name(text: str, codes: list[str]) -> None:
    assert [one.code for one in kernel(text)] == codes
    assert {one.code for one in kernel(text)} <= set(words().kernel.codes)


def test_the_kernels_evidence_is_the_kill_of_ours() -> None:
    (found,) = kernel(event("chrome", "node") + "\n" + event("chrome", "python3"))
    assert "task=python3" in found.evidence and found.person
