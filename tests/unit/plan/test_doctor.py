"""What the doctor says of machines: nothing of healthy ones, the cause first of others, and every code in full."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as st

from plan import advice, doctor, findings, plan, redact
from plan.drift import Ours
from plan.machine import Machine
from plan.report import HostReport, Report
from plan.settings import Settings
from plan.toml import table
from tests.unit.machines import GALLERY, ROOT, RTX_2080TI, RTX_4070_12, RTX_4090, changed, finished, machine
from tests.unit.recorded import REPOSITORY

DONE = finished(machine(RTX_4090, wsl=2))


def seen(what: Machine, **settings: Any) -> HostReport:
    """The doctor's report of a machine."""
    wanted = Settings(**settings)
    return doctor.examine("pc-01", what, wanted, plan.make(what, wanted), Ours())


def codes(report: HostReport) -> list[str]:
    """Its findings' codes, the primary first."""
    return [one.code for one in report.findings]


@pytest.mark.parametrize("name", [name for name, one in GALLERY.items() if one.system.systemd])
def test_a_healthy_machine_has_no_finding(name: str) -> None:
    report = seen(finished(GALLERY[name]))
    assert codes(report) == [] and report.state == "healthy" and report.changes == []


def test_a_bare_machine_was_never_set_up() -> None:
    report = seen(machine(RTX_4090))
    assert codes(report) == ["NOT-SET-UP"] and report.state == "rerun"
    assert "TOOLKIT" in " ".join(words.en for words in report.changes)


def test_a_refusal_needs_a_person() -> None:
    report = seen(machine(RTX_2080TI))
    assert codes(report) == ["GPU-OLD"] and report.state == "person"
    assert report.primary and report.primary.fix.en.startswith("Use an RTX 30")


def unit(**fields: Any) -> Machine:
    """The finished machine with its unit as given."""
    assert DONE.service.unit is not None
    return changed(DONE, "service", unit={**DONE.service.unit.model_dump(), **fields})


def test_the_cause_comes_before_the_symptom() -> None:
    stopped = unit(active="inactive", pid=None, spec=None, started=None)
    assert codes(seen(stopped)) == ["STOPPED"]
    path = next(path for path in stopped.files if path.endswith("service/environment"))
    edited = stopped.model_copy(update={"files": {**stopped.files, path: None}})
    assert codes(seen(edited))[:2] == ["ENVIRONMENT", "STOPPED"]
    warned = changed(stopped, "exports", hooks=2)
    assert codes(seen(warned)) == ["STOPPED", "EXPORTS"]


OLD_CUDA = {
    "file": "/home/u/.bashrc",
    "line": 1,
    "text": "export PATH=/usr/local/cuda-11.8/bin:$PATH",
    "version": "11.8",
}


def test_another_cuda_of_the_users_is_a_warning() -> None:
    report = seen(changed(DONE, "exports", lines=[OLD_CUDA]))
    assert codes(report) == ["OWN-EXPORT"] and report.state == "person"
    assert report.primary and report.primary.severity == "warning" and report.primary.evidence.endswith("bin:$PATH'")
    assert codes(seen(changed(machine(RTX_4090), "exports", lines=[OLD_CUDA]))) == ["NOT-SET-UP"]


def test_a_running_unit_that_is_off_is_told_before_the_release_is_known() -> None:
    """Without a recorded choice there is no start to compare with; what systemd lacks is known all the same."""
    lost = changed(unit(enabled="disabled"), "releases", choice=None)
    assert sorted(codes(seen(lost))) == ["CHOICE", "DISABLED"]
    assert sorted(codes(seen(changed(unit(needs_reload=True), "releases", choice=None)))) == ["CHOICE", "RELOAD"]
    gone = changed(unit(load="not-found", active="inactive", enabled=""), "releases", choice=None)
    assert codes(seen(gone)) == ["CHOICE"]


def test_a_port_in_other_hands_needs_a_person() -> None:
    taken = changed(unit(active="failed", pid=None), "service", port_holders=[{"pid": 9, "command": "nginx"}])
    unit_gone = taken.model_copy(
        update={"service": taken.service.model_copy(update={"unit": unit(active="failed", pid=None).service.unit})}
    )
    report = seen(unit_gone)
    assert codes(report)[0] == "PORT" and report.state == "person"
    assert report.primary and "nginx" in report.primary.evidence


def test_what_goes_with_its_cause_needs_nobody() -> None:
    small = changed(finished(machine(RTX_4070_12)), "gpu", devices=[{**RTX_4070_12, "memory_free_mib": 900}])
    held = changed(small, "service", orphans=[{"pid": 77, "command": "VLLM::EngineCore"}], unit=None)
    report = seen(held)
    assert codes(report)[:2] == ["ORPHAN", "VRAM"] and report.state == "rerun"
    assert seen(changed(small, "service", unit=None)).state == "person"


def logged(server: str, base: Machine | None = None, **jobs: Any) -> Machine:
    """A machine that does not serve, with what its server said."""
    stopped = base or unit(active="failed", pid=None, spec=None, started=None)
    return Machine.model_validate({**stopped.model_dump(), "logs": {"hostname": "pc", "server": server, "jobs": jobs}})


def test_the_log_tells_why() -> None:
    log = "INFO Starting to load model\ntorch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB\n"
    log += "RuntimeError: Engine core initialization failed. See root cause above."
    report = seen(logged(log))
    assert codes(report)[-1] == "STOPPED" and len(codes(report)) > 1
    assert (
        report.primary and "out of memory" in report.primary.evidence and "Engine core" not in report.primary.evidence
    )


def test_what_was_said_before_the_last_start_is_no_reason() -> None:
    """An Xid of another day, a job that failed before the server answered."""
    log = "2026-11-23T10:00:00+0000 pc systemd[1]: Starting vllm-workstation.service\n"
    log += "2026-11-23T10:01:00+0000 pc vllm[2]: Application startup complete"
    old = {"build": {"state": "failed", "ended": 5.0, "log": "No space left on device"}}
    answered = '{"at": 9, "answers": [{"answer": "Paris", "seconds": 1, "tokens": 3}]}'
    stopped = logged(
        log, changed(unit(active="inactive", pid=None, spec=None, started=None), "service", answered=answered), **old
    )
    dead = stopped.service.model_copy(
        update={"unit": unit(active="inactive", pid=None, spec=None, started=None).service.unit}
    )
    assert stopped.logs is not None
    for when, wanted in (("2026-11-20", ["STOPPED"]), ("2026-11-24", ["XID", "STOPPED"])):
        said = stopped.logs.model_copy(
            update={
                "kernel": f"{when}T09:00:00+0000 pc kernel: NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus."
            }
        )
        assert codes(seen(stopped.model_copy(update={"logs": said, "service": dead}))) == wanted


def test_a_dead_server_is_told_beside_a_refusal() -> None:
    dead = logged("ERROR: [Errno 98] address already in use")
    refused = changed(dead, "system", arch="riscv64")
    assert codes(seen(refused)) == ["ARCH", "PORT", "STOPPED"]


def test_the_log_of_a_healthy_server_tells_nothing() -> None:
    assert codes(seen(logged("RuntimeError: CUDA error: an illegal memory access was encountered", DONE))) == []


def test_a_check_that_crashes_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr(doctor, "portrait", broken)
    report = seen(DONE)
    assert set(codes(report)) == {"CHECK"} and "boom" in report.findings[0].evidence


def test_a_subject_that_could_not_be_looked_at_is_a_finding() -> None:
    report = seen(DONE.model_copy(update={"errors": {"toolkit": "OSError: no"}}))
    assert "CHECK" in codes(report) and "toolkit: OSError: no" in [one.evidence for one in report.findings]


def test_an_exposed_server_with_known_holes() -> None:
    wanted = Settings(host="0.0.0.0", vllm_release="0.19.1")
    here = finished(machine(RTX_4090), wanted)
    report = seen(here, host="0.0.0.0", vllm_release="0.19.1")
    assert codes(report) == ["VULNERABLE"] and report.state == "person"
    assert all(one.compensated is None for one in report.vulnerabilities)
    local = seen(finished(machine(RTX_4090), Settings(vllm_release="0.19.1")), vllm_release="0.19.1")
    assert (
        codes(local) == []
        and local.vulnerabilities
        and all(one.compensated and "127.0.0.1" in one.compensated.en for one in local.vulnerabilities)
    )


def test_the_memory_plan_adds_up() -> None:
    report = seen(finished(machine(RTX_4070_12, wsl=2)))
    assert report.memory is not None
    on_card = sum(part.gib for part in report.memory.parts if part.where == "card")
    assert 0 < on_card <= report.memory.free_gib + 0.01
    assert [part.gib > 0 for part in report.memory.parts if part.name == "offloaded"] == [True]


def test_many_of_a_kind_are_counted() -> None:
    found = [findings.tell("VERSIONS", f"wheel {number}") for number in range(9)]
    report = doctor.report("pc", found)
    assert codes(report) == ["VERSIONS"] * 3 and report.others[-1].also == 6


def test_drift_since_the_last_report() -> None:
    now = doctor.report("pc", [findings.tell("STOPPED", "x"), findings.tell("LINGER", "y")])
    then = doctor.report("pc", [findings.tell("LINGER", "y"), findings.tell("MODEL", "z")])
    reports = [
        Report(made_at=f"2026-11-2{day}T00:00:00Z", tool="t", exit=1, hosts=[host])
        for day, host in ((2, then), (3, now))
    ]
    drift = doctor.drifted(reports[1], reports[0]).hosts[0].drift
    assert drift and (drift.since, drift.new, drift.gone) == ("2026-11-22T00:00:00Z", ["STOPPED"], ["MODEL"])
    assert doctor.drifted(reports[1], None).hosts[0].drift is None


def test_every_problem_and_refusal_has_its_meaning() -> None:
    refused = {
        code
        for path in (REPOSITORY / "plan").glob("*.py")
        for code in re.findall(r'Refusal\(\s*code="([A-Z0-9-]+)"', path.read_text())
    }
    mended = {row["code"] for row in table("problems")["problem"]}
    assert refused and refused | mended <= set(findings.rows())


@pytest.mark.parametrize("code", list(findings.rows()))
def test_every_meaning_is_whole(code: str) -> None:
    row = findings.rows()[code]
    told = findings.tell(code, "evidence", fix="Do it.")
    assert row["cause_zh"] != row["cause"] and told.cause.en.endswith(".") and told.cause.zh.endswith("。")
    assert told.fix.en.endswith(".") and told.fix.zh.endswith("。") and told.risk.en
    assert set(row.get("from", [])) <= set(findings.rows())
    assert told.actor == "rerun" or row.get("fix_zh"), "a person must be told in Chinese too"


# Simplified forms that Taiwan does not write.
SIMPLIFIED = set("这个们说为来时会对国发过见开动没问题执设备驱显记忆内装载务权关闭标准网络连线启")


@pytest.mark.parametrize("name", ["findings", "advice"])
def test_chinese_is_traditional(name: str) -> None:
    text = str(table(name))
    assert SIMPLIFIED & set(text) == set()


def wsl(**fields: Any) -> Machine:
    """A healthy WSL machine with Windows' settings as given."""
    logs = {"hostname": "pc", "wslconfig": fields.pop("wslconfig", None)}
    return Machine.model_validate({**finished(machine(RTX_4070_12, wsl=2, **fields)).model_dump(), "logs": logs})


def advised(what: Machine, **settings: Any) -> dict[str, str]:
    wanted = Settings(**settings)
    return {one.code: one.text.en for one in advice.advice(what, wanted, plan.make(what, wanted))}


def test_advice_for_wsl_has_its_numbers() -> None:
    told = advised(wsl(ram_gib=11.7))
    assert "11.7 GiB" in told["WSL-MEMORY"] and "memory=16GB" in told["WSL-MEMORY"]
    assert "No .wslconfig was seen" in told["WSL-KEEP"]
    kept = wsl(wslconfig="[general]\ninstanceIdleTimeout=-1\n[wsl2]\nvmIdleTimeout=-1\nnetworkingMode=Mirrored\n")
    assert advised(kept) == {}
    assert "WSL-LAN" in advised(wsl(), host="0.0.0.0") and "WSL-LAN" not in advised(kept, host="0.0.0.0")
    assert advised(finished(machine(RTX_4070_12))) == {}


@pytest.mark.parametrize("text", ["", "\ufeff[wsl2]\r\nmemory=8GB\r\n", "memory=8GB", "[wsl2\n=", "[a]\nb\nc=%(d)s"])
def test_any_wslconfig_can_be_read(text: str) -> None:
    assert "WSL-KEEP" in advised(wsl(wslconfig=text))


def test_an_old_kernel_of_wsl() -> None:
    here = wsl(wslconfig="[general]\ninstanceIdleTimeout=-1\n[wsl2]\nvmIdleTimeout=-1\n")
    assert set(advised(changed(here, "wsl", kernel="5.10.16.3"))) == {"WSL-UPDATE"}
    assert advised(changed(here, "wsl", kernel="my-own")) == {}


def test_nothing_of_who_and_where_stays() -> None:
    held = changed(
        unit(active="failed"),
        "service",
        port_holders=[
            {"pid": 9, "command": "/home/ops/x 192.168.1.7 ip=10.0.0.5 2001:db8::17 PC-01.lab.example ops@pc-01"}
        ],
    )
    named = Machine.model_validate({**held.model_dump(), "logs": {"hostname": "pc-01.lab.example"}})
    wanted = Settings()
    report = doctor.examine("pc-01.lab.example", named, wanted, plan.make(named, wanted), Ours())
    text = redact.redacted(report, 3, named).model_dump_json()
    assert not re.search(r"/home|\bops\b|192\.168|10\.0\.0|2001:|(?i:lab\.example)|pc-01", text), text
    assert "host-3" in text and "127.0.0.1" in text


@given(st.text(max_size=300), st.text(max_size=40))
@rules(max_examples=150, deadline=None)
def test_any_log_and_name_makes_a_report(log: str, name: str) -> None:
    wanted, here = Settings(), logged(log)
    report = doctor.examine(name, here, wanted, plan.make(here, wanted), Ours())
    assert report.state in ("rerun", "person") and "CHECK" not in codes(report)
    assert redact.redacted(report, 1, here).state == report.state


def test_root_is_told() -> None:
    assert ROOT in seen(machine(RTX_4090)).findings[0].evidence
