"""Logs of the machine around the server: memory, disks, clock, rights, refusing indexes, and what its kernel says."""

from __future__ import annotations

import pytest

from plan.faults import diagnose
from plan.faults_kernel import kernel

LOADING = "INFO 11-22 10:00:00 [gpu_model_runner.py:2338] Starting to load model openai/gpt-oss-20b...\n"
HELD = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 512.00 MiB. GPU 0 has a total capacity of 79.10 GiB of which 50.25 GiB is free."
PERSON, RERUN = True, False


@pytest.mark.parametrize(
    ("log", "code", "person"),
    [
        (
            LOADING + "RuntimeError: unable to mmap 13761300984 bytes from file </m/model.safetensors>: Cannot allocate memory "
            "(12)",
            "MEMORY-HOST",
            PERSON,
        ),
        (
            LOADING + "RuntimeError: [enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you "
            "tried to allocate 8589934592 bytes. Error code 12 (Cannot allocate memory)",
            "MEMORY-HOST",
            PERSON,
        ),
        ("OSError: [Errno 12] Cannot allocate memory", "MEMORY-HOST", PERSON),
        ("Traceback (most recent call last):\nMemoryError", "MEMORY-HOST", PERSON),
        ("terminate called after throwing an instance of 'std::bad_alloc'", "MEMORY-HOST", PERSON),
        ("RuntimeError: cudaHostAlloc failed: Cannot allocate memory", "HOST-PINNED", RERUN),
        ("torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.", "OOM-LOAD", RERUN),
        (
            "The operation timed out because a response was not received from the virtual machine or container.\n"
            "Error code: Wsl/Service/CreateInstance/CreateVm/HCS/HCS_E_CONNECTION_TIMEOUT",
            "WSL-BROKEN",
            PERSON,
        ),
        ("requests.exceptions.ReadTimeout: HTTPSConnectionPool(host='mirror.example', port=443): Read timed out.", "DOWNLOAD-TIMEOUT", RERUN),
        (LOADING + "OSError: [Errno 30] Read-only file system: '/home/ops/x'", "DISK-READ-ONLY", PERSON),
        ("kernel: EXT4-fs (sdc): Remounting filesystem read-only", "DISK-READ-ONLY", PERSON),
        ("error: failed to create file: Read-only file system (os error 30)", "DISK-READ-ONLY", PERSON),
        ("PermissionError: [Errno 13] Permission denied: '/home/ops/.cache/x'", "PERMISSION", RERUN),
        ("ops is not in the sudoers file.  This incident will be reported.", "SUDO", PERSON),
        ("sudo: a password is required", "SUDO", PERSON),
        ("sudo: a terminal is required to read the password; either use the -S option", "SUDO", PERSON),
        (
            "E: Release file for https://mirror.example/dists/noble/InRelease is not valid yet (invalid for another 5h 3min 2s). "
            "Updates for this repository will not be applied.",
            "CLOCK",
            PERSON,
        ),
        (
            "E: Failed to fetch https://mirror.example/pool/x_1.deb  404  Not Found [IP: 192.0.2.1 443]\n"
            "E: Unable to fetch some archives, maybe run apt-get update",
            "APT-PACKAGE",
            RERUN,
        ),
        ("E: The repository 'https://mirror.example/ubuntu lunar Release' does not have a Release file.", "APT-RELEASE", PERSON),
        (
            "error: Failed to fetch: `https://mirror.example/simple/vllm/`\n"
            "  Caused by: HTTP status client error (403 Forbidden) for url (https://mirror.example/simple/vllm/)",
            "FORBIDDEN",
            PERSON,
        ),
        (
            "systemd[1]: vllm-workstation.service: Watchdog timeout (limit 30s)!\n"
            "vllm-workstation.service: Failed with result 'watchdog'.",
            "WATCHDOG",
            PERSON,
        ),
        (LOADING + HELD, "MEMORY-HIDDEN", RERUN),
        ("INFO WSL is detected\n" + LOADING + HELD, "WSL-OVERHEAD", RERUN),
        ("ERROR: the frobnicator cannot be reached by gremlins", "UNKNOWN", RERUN),
    ],
)  # fmt: skip
def test_the_machine_around_it(log: str, code: str, person: bool) -> None:
    first = diagnose(log)[0]
    assert (first.code, first.person) == (code, person)


@pytest.mark.parametrize("word", ["MemoryError", "403 Forbidden", "Read-only file system", "Cannot allocate memory"])
def test_what_a_request_of_a_serving_server_says_is_none_of_it(word: str) -> None:
    serves = LOADING + "INFO:     Application startup complete.\n"
    assert (
        diagnose(serves + f'INFO 11-22 10:00:01 [logger.py:42] Received request cmpl-1: prompt: "why {word}"\n') == []
    )


AT = "2026-11-23T15:12:36+0000 pc kernel: "


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["Out of memory: Killed process 4242 (chrome) total-vm:1kB, anon-rss:1kB"], None),
        (["Out of memory: Killed process 77 (VLLM::EngineCor) total-vm:1kB"], "MEMORY-KILLED"),
        (["Memory cgroup out of memory: Killed process 77 (python3) total-vm:1kB"], "MEMORY-KILLED"),
        (["oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),task_memcg=/user.slice,task=python3,pid=77,uid=1000"], "MEMORY-KILLED"),
        (["oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),task_memcg=/user.slice,task=chrome,pid=77,uid=1000"], None),
        (["python3 invoked oom-killer: gfp_mask=0x140dca", "Out of memory: Killed process 4242 (chrome) total-vm:1kB"], None),
        (["chrome invoked oom-killer: gfp_mask=0x140dca", "Out of memory: Killed process 7 (VLLM::Worker) total-vm:1kB"], "MEMORY-KILLED"),
        (["oom_reaper: reaped process 4242 (chrome), now anon-rss:0kB"], None),
        (["NVRM: Xid (PCI:0000:01:00): 13, pid=999, name=game.exe, Graphics Exception"], None),
        (["NVRM: Xid (PCI:0000:01:00): 31, pid=999, name=VLLM::EngineCor, Ch 00000008"], "XID"),
        (["NVRM: Xid (PCI:0000:01:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus."], "XID"),
        (["NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus."], "XID"),
        (["Buffer I/O error on dev sdb1, logical block 0, async page read"], None),
        (["misc dxg: dxgk: dxgkio_reserve_gpu_va: Ioctl failed: -75"], None),
        (["EXT4-fs (sdc): Remounting filesystem read-only"], "DISK-READ-ONLY"),
        ([], None),
    ],
)  # fmt: skip
def test_what_a_kernel_says(lines: list[str], code: str | None) -> None:
    found = kernel("\n".join(AT + line for line in lines))
    assert (found[0].code if found else None) == code
