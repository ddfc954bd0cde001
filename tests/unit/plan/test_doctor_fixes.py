"""Who mends what the doctor finds, and how: never a person where a re-run does, never a re-run that cannot."""

from __future__ import annotations

import re
from typing import Any

import pytest

from plan import doctor, findings, plan
from plan.advisories import applying
from plan.drift import Ours
from plan.machine import Machine
from plan.report import Advice, HostReport, Report, Words
from plan.settings import Settings
from tests.unit.machines import RTX_2080TI, RTX_4090, changed, finished, machine
from tests.unit.plan.test_doctor import DONE, codes, seen, unit

HIDDEN = changed(
    changed(DONE, "gpu", devices=[], error="GPU access blocked by the operating system"),
    "packages",
    installed={
        **{name: one.model_dump() for name, one in DONE.packages.installed.items()},
        "libnvidia-compute-550": {"version": "550.1", "state": "installed"},
    },
)


def test_a_settled_finding_has_the_fix_of_a_rerun() -> None:
    """A full card beside a leftover that a re-run ends: nobody is told to set engine = cpu."""
    cause, symptom = findings.tell("ORPHAN", "process 9"), findings.tell("VRAM", "1 GiB", fix="Set engine = cpu")
    report = doctor.report("pc", [symptom, cause])
    assert codes(report) == ["ORPHAN", "VRAM"] and report.state == "rerun"
    assert {one.fix for one in report.findings} == {findings.again()}


STOPS = (
    "2026-11-23T10:00:00+0000 pc systemd[9]: Starting vllm-workstation.service - vLLM server of gpt-oss...\n"
    "2026-11-23T10:01:00+0000 pc vllm-workstation[10]: INFO 11-23 10:01:00 [launcher.py:46] Application startup complete.\n"
    "2026-11-23T10:09:00+0000 pc systemd[9]: Stopping vllm-workstation.service - vLLM server of gpt-oss...\n"
    "2026-11-23T10:09:01+0000 pc systemd[9]: Stopped vllm-workstation.service - vLLM server of gpt-oss.\n"
)
KILLED = "2026-11-23T10:05:00+0000 pc kernel: Out of memory: Killed process 4242 ({}) total-vm:1kB, anon-rss:1kB\n"
DIED = (
    STOPS.partition("2026-11-23T10:09:00")[0]
    + "2026-11-23T10:05:01+0000 pc systemd[9]: vllm-workstation.service: Main process exited, code=killed, status=9/KILL\n"
)


@pytest.mark.parametrize(
    ("server", "kernel", "primary", "state"),
    [
        (STOPS, KILLED.format("chrome"), "STOPPED", "rerun"),
        (STOPS, KILLED.format("python3"), "STOPPED", "rerun"),
        (
            STOPS,
            "2026-11-23T10:05:00+0000 pc kernel: NVRM: Xid (PCI:0000:01:00): 13, pid=9, name=game.exe\n",
            "STOPPED",
            "rerun",
        ),
        (
            STOPS,
            "2026-11-23T10:05:00+0000 pc kernel: Buffer I/O error on dev sdb1, logical block 0\n",
            "STOPPED",
            "rerun",
        ),
        (DIED, KILLED.format("chrome"), "KILLED", "rerun"),
        (DIED + STOPS[STOPS.index("2026-11-23T10:09:00") :], KILLED.format("python3"), "MEMORY-KILLED", "person"),
        (DIED, KILLED.format("VLLM::EngineCor"), "MEMORY-KILLED", "person"),
        (
            DIED,
            "2026-11-23T10:05:00+0000 pc kernel: Buffer I/O error on dev sdb1, logical block 0\n",
            "KILLED",
            "rerun",
        ),
    ],
)
def test_what_the_kernel_did_to_others_is_no_cause(server: str, kernel: str, primary: str, state: str) -> None:
    stopped = unit(active="failed", pid=None, spec=None, started=None)
    said: dict[str, Any] = {"hostname": "pc", "server": server, "kernel": kernel, "jobs": {}, "wslconfig": None}
    report = seen(Machine.model_validate({**stopped.model_dump(), "logs": said}))
    assert codes(report)[0] == primary and report.state == state, codes(report)


def sudo(**given: bool) -> Machine:
    """A stopped server, and a login that may do what is given."""
    stopped = unit(active="inactive", pid=None, spec=None, started=None)
    return changed(stopped, "system", sudo={"root": False, "present": True, "passwordless": False, **given})


def examined(what: Machine, password: bool) -> HostReport:
    """As the doctor sees it: planned as if sudo could be used."""
    wanted = Settings()
    return doctor.examine("pc", what, wanted, plan.make(what, wanted, True), Ours(), password)


def test_a_rerun_that_needs_a_password_says_so() -> None:
    report = examined(sudo(), False)
    assert report.state == "rerun" and report.primary and "--use-sudo-password" in report.primary.fix.en
    assert "--use-sudo-password" in report.primary.fix.zh
    report = examined(sudo(), True)
    assert report.primary and report.primary.fix == findings.again()
    assert examined(sudo(passwordless=True), False).primary == report.primary


def test_a_cause_from_the_log_tells_of_the_password_too() -> None:
    said: dict[str, Any] = {
        "hostname": "pc",
        "server": "torch.OutOfMemoryError: CUDA out of memory.",
        "kernel": None,
        "jobs": {},
        "wslconfig": None,
    }
    report = examined(Machine.model_validate({**sudo().model_dump(), "logs": said}), False)
    first = report.primary
    assert first and first.code == "OOM-LOAD" and "experts" in first.fix.en and "--use-sudo-password" in first.fix.en


def test_what_goes_with_its_cause_tells_of_the_password_too() -> None:
    found = [findings.tell("VRAM", "1 GiB", fix="Set engine = cpu"), findings.tell("ORPHAN", "process 9")]
    report = doctor.report("pc", found, asks=True)
    assert {one.fix for one in report.findings} == {findings.again("password")}


@pytest.mark.parametrize(
    "what", [machine(RTX_2080TI), machine(RTX_4090, wsl=1), HIDDEN, changed(DONE, "system", arch="aarch64")]
)
def test_a_fix_ends_with_one_full_stop(what: Machine) -> None:
    for one in seen(what).findings:
        assert (
            one.fix.en.endswith(".")
            and not one.fix.en.endswith("..")
            and one.fix.zh.endswith("。")
            and not one.fix.zh.endswith("。。")
        )


def test_a_rerun_that_cannot_work_without_sudo_needs_a_person() -> None:
    report = examined(sudo(present=False), False)
    assert report.state == "person" and "SUDO" in codes(report)
    healthy = changed(DONE, "system", sudo={"root": False, "present": False, "passwordless": False})
    assert examined(healthy, False).state == "healthy"


def test_a_driver_that_hides_the_gpu_is_mended_by_a_rerun_where_that_is_allowed() -> None:
    report = seen(HIDDEN, remove_wsl_driver=True)
    assert codes(report)[:2] == ["WSL-DRIVER", "WSL-GPU"] and report.state == "rerun"
    assert "WSL-DRIVER" in report.changes[0].en
    assert plan.make(HIDDEN, Settings(remove_wsl_driver=True)).purge == ["libnvidia-compute-550"]
    report = seen(HIDDEN)
    assert codes(report) == ["WSL-GPU"] and report.state == "person"
    assert report.primary and "remove_wsl_driver = True" in report.primary.fix.en


@pytest.mark.parametrize("subject", ["files", "weights", "toolkit", "exports", "apt", "owner", "libraries"])
def test_what_could_not_be_looked_at_is_not_told_as_missing(subject: str) -> None:
    """A subject that failed is empty, as the probe leaves it, and only that is told."""
    whole = DONE.model_dump()
    unseen = Machine.model_validate(
        {**{key: value for key, value in whole.items() if key != subject}, "errors": {subject: "timed out"}}
    )
    report = seen(unseen)
    assert codes(report) == ["CHECK"] and report.changes == [], [(one.code, one.evidence) for one in report.findings]


@pytest.mark.parametrize("subject", ["gpu", "wsl", "packages", "service"])
def test_what_every_plan_rests_on_must_be_seen(subject: str) -> None:
    """Else another plan would be made, and called drift."""
    report = seen(
        Machine.model_validate(
            {**{k: v for k, v in DONE.model_dump().items() if k != subject}, "errors": {subject: "timed out"}}
        )
    )
    assert (
        codes(report) == ["PROBE"]
        and report.state == "person"
        and f"{subject}: timed out" in report.findings[0].evidence
    )


def test_the_fix_of_an_exposed_server_names_a_release_that_has_no_known_hole() -> None:
    """auto takes the ordered build first, which has holes: to say auto again would help nobody."""
    first = seen(DONE, host="0.0.0.0").findings[-1]
    wanted = Settings(host="0.0.0.0")
    sound = [one.release.name for one in plan.make(DONE, wanted).candidates if not applying(one.release.version, True)]
    assert (
        first.code == "VULNERABLE"
        and sound
        and f"vllm_release = {sound[0]}," in first.fix.en
        and sound[0] in first.fix.zh
    )
    held = finished(machine(RTX_4090, wsl=2), Settings(host="0.0.0.0", vllm_release="gptoss"))
    first = seen(held, host="0.0.0.0", vllm_release="gptoss").findings[-1]
    assert first.code == "VULNERABLE" and "vllm_release" not in first.fix.en and "127.0.0.1" in first.fix.zh


ODD = "card\ud800 \x1b]0;title\x07\x1b[31mred\x9b31m\u202e"


def test_no_field_holds_what_a_terminal_would_obey() -> None:
    report = HostReport(
        name=ODD, state="healthy", system=ODD, model=ODD, url=ODD, advice=[Advice(code="X", text=Words(en=ODD, zh=ODD))]
    )
    text = Report(made_at="now", tool="x", exit=0, hosts=[report]).model_dump_json()
    assert not re.search(r"\\u001b|\x1b|\\u009b|\x9b|\u202e|\x07", text) and "card" in text
