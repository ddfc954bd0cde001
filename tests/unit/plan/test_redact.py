"""Who and where stays out of a redacted report; what is needed to help stays in."""

from __future__ import annotations

import pytest

from plan import doctor, redact
from plan.machine import Machine
from tests.unit.machines import RTX_4090, finished, machine

DONE = finished(machine(RTX_4090, wsl=2))
NAMED = Machine.model_validate({**DONE.model_dump(), "logs": {"hostname": "pc-01.lab.example"}})
LAB = {"pc-01.lab.example": "host-3", "pc-02": "host-4", "4090-box.lab.example": "host-5", "10.20.0.9": "host-4"}


def told(text: str, code: str = "CHECK") -> str:
    """The evidence of a finding as it is told to strangers."""
    found = doctor.crashed(text).model_copy(update={"code": code})
    report = doctor.report("pc-01.lab.example", [found])
    primary = redact.redacted(report, 3, NAMED, LAB).primary
    assert primary is not None
    return primary.evidence


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        (r"C:\Users\Alice Lee\AppData\x", "Alice Lee"),
        (r"C:\\Users\\alice\\x", "alice"),
        (r"no such file: C:\Users\alice", "alice"),
        ("C:/Users/Alice Lee/x and C:/Users/alice", "alice"),
        (r"\\wsl.localhost\Ubuntu\home\alice\x", "alice"),
        ("4090-box answers", "4090-box"),
        ("/mnt/c/Users/Alice Lee/x", "Alice Lee"),
        ("/mnt/d/Users/alice", "alice"),
        ("/home/bob/x", "bob"),
        ("/srv/home/bob/x", "srv bob"),
        ("/home/ops/.local and ops_backup, ops-2", "ops"),
        ("8.8.8.8 bad", "8.8.8.8"),
        ("192.168.1.5-x", "192.168"),
        ("ip-10.0.0.5", "10.0.0"),
        ("http://10.20.0.9:8000/v1", "10.20.0.9"),
        ("mac 0a:1b:2c:3d:4e:5f", "1b:2c"),
        ("fe80::1%eth0 and 2001:db8::17, ::ffff:10.0.0.5", "fe80 2001 10.0.0"),
        ("alice@corp.example", "alice corp"),
        ("server pc-01-gpu, pc-01_x, PC-01.lab.example-gpu", "pc-01 lab.example"),
        ("pc-02 answers instead", "pc-02"),
    ],
)
def test_who_and_where_is_hidden(text: str, secrets: str) -> None:
    after = told(text)
    assert not [one for one in secrets.split() if one.lower() in after.lower()], after


@pytest.mark.parametrize(
    "text",
    [
        "INFO 11-22 10:11:12 [core.py:58] started",
        "2026-11-22T10:11:12+0000 it ended",
        "http://127.0.0.1:8000/v1 and [::1]:8000, 0.0.0.0",
        "nvidia-cudnn-cu12 9.1.0.70, nvidia-cublas-cu12==12.4.5.8, nvidia_curand_cu12-10.3.5.147-py3-none",
        "File vllm/v1/engine/core.py, line 12; c10::Error at::cuda",
        "the server of the host ends; a root cause; PyTorch",
        "vllm/_custom_ops.py and _custom_ops.foo",
    ],
)
def test_what_helps_stays(text: str) -> None:
    assert told(text) == text


def test_a_version_of_a_package_is_no_address() -> None:
    assert (
        told("nvidia-cudnn-cu12 9.5.1.17 is 9.1.0.70 now", "VERSIONS") == "nvidia-cudnn-cu12 9.5.1.17 is 9.1.0.70 now"
    )


def test_every_host_of_the_lab_has_its_own_name() -> None:
    assert told("pc-01.lab.example asks pc-02 at 10.20.0.9") == "host-3 asks host-4 at host-4"
