"""Break a machine with a batch of faults, repair all with one run, and look at the end of each."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plan.findings import rank
from plan.settings import Settings
from plan.toml import table
from tests.host.faults import Fault
from tests.host.faults.machines import HEALTHY, Machines
from tests.host.lab import Host, LabError
from tests.host.product import PROJECT, Run, chat, run

PID = "XDG_RUNTIME_DIR=/run/user/1000 systemctl --user show vllm-workstation -p MainPID --value"


@dataclass
class Outcome:
    """How a batch ended: what is wrong with each fault, and with the run as a whole (both empty where all is well)."""

    faults: dict[str, list[str]] = field(default_factory=dict)
    run: list[str] = field(default_factory=list)


def of(machines: Machines, faults: list[Fault]) -> Outcome:
    """Break, repair, look, run again. The machine is given up where it is not as it was."""
    machine, seen = machines.get(faults[0].group), Outcome({fault.name: [] for fault in faults})
    try:
        before = [_broken(machine, fault) for fault in faults]
    except LabError as error:
        machines.spoil(faults[0].group)
        return Outcome({fault.name: [] for fault in faults}, [str(error)])
    pid = server_pid(machine)
    examined = _examined(machines, machine, faults)
    since = time.monotonic()
    repair = _repair(machines, machine, faults)
    _note(machines, machine, faults, time.monotonic() - since)
    told = codes(machines, machine)
    for fault, sums in zip(faults, before, strict=True):
        seen.faults[fault.name] += _look(machine, fault, sums, repair)
        if told is not None and not set(fault.codes) <= told:
            seen.faults[fault.name].append(f"the report has {sorted(told)}, not {list(fault.codes)}")
    kept = server_pid(machine) == pid
    seen.run += examined
    seen.run += _whole(machines, machine, faults, repair)
    if seen.run or any(seen.faults.values()) or any(fault.undo for fault in faults):
        machines.spoil(faults[0].group)
    if all(fault.keeps for fault in faults) and not kept:
        seen.run.append("the server was restarted without need")
    return seen


def _broken(machine: Host, fault: Fault) -> str:
    """Break the machine; returns the digests of what must stay as it is now."""
    done = machine.ssh("bash", text=fault.script("breaks"), check=False)
    if done.returncode:
        raise LabError(f"{fault.name} could not break the machine:\n{done.stdout}{done.stderr}")
    return _sums(machine, fault)


def _sums(machine: Host, fault: Fault) -> str:
    if not fault.untouched:
        return ""
    script = fault.script("breaks").split("\nset -x\n")[0]
    return machine.ssh("bash", text=f"{script}\nsha256sum {' '.join(fault.untouched)}", check=False).stdout


def server_pid(machine: Host) -> str:
    """The main process of the unit; 0 where there is none."""
    return machine.ssh(PID, user="ops").stdout.strip()


def _repair(machines: Machines, machine: Host, faults: list[Fault]) -> Run:
    settings: dict[str, Any] = {}
    for fault in faults:
        settings |= fault.settings
    if "report" in Settings.model_fields:
        report(machines).unlink(missing_ok=True)
        settings["report"] = str(report(machines))
    return run(machines.lab, machines.where(machine, **settings), script(faults), "-y")


def _examined(machines: Machines, machine: Host, faults: list[Fault]) -> list[str]:
    """What is wrong with what the doctor says of the broken machine: every code, the right one first, the right exit."""
    whole = any(fault.deploy == "repair" for fault in faults)
    told, ended = doctor(
        machines, machine, thorough=whole, **{k: v for fault in faults for k, v in fault.settings.items()}
    )
    if told is None:
        return [f"the doctor left no report: {ended.text[-2000:]}"]
    findings = [one for one in [told["primary"], *told["others"]] if one]
    found, first = [one["code"] for one in findings], _expected(faults, findings)
    codes = {code for fault in faults for code in (*fault.codes, fault.primary) if code}
    wrong = [] if found[:1] == first else [f"the doctor starts with {found[:1]} of {found}, not with {first}"]
    if codes - set(found):
        wrong.append(f"the doctor does not find {sorted(codes - set(found))}, but {found}")
    persons = {row["code"] for row in table("problems")["problem"] if not row.get("step")}
    persons |= {fault.primary for fault in faults if not fault.codes}  # named, and left to a person
    wanted = 0 if not first else 2 if codes & persons else 1
    if ended.code != wanted or told["state"] != {0: "healthy", 1: "rerun", 2: "person"}[ended.code]:
        wrong.append(f"the doctor ended with {ended.code} and {told['state']}, not {wanted}: {findings}")
    return wrong


def _expected(faults: list[Fault], found: list[dict[str, Any]]) -> list[str]:
    """The code to start with: of the faults' own ones an error before a warning, then a cause before what it causes."""
    severity = {one["code"]: one["severity"] for one in found}
    first = {fault.primary or next(iter(fault.codes), "") for fault in faults} - {""}
    return sorted(first, key=lambda code: (severity.get(code) != "error", rank(code)))[:1]


def doctor(machines: Machines, machine: Host, **settings: Any) -> tuple[dict[str, Any] | None, Run]:
    """The doctor's report of one machine, and its run."""
    path = machines.folder / "doctor.json"
    path.unlink(missing_ok=True)
    ended = run(machines.lab, machines.where(machine, report=str(path), **settings), "deploy/doctor.py")
    return (json.loads(path.read_text())["hosts"][0] if path.exists() else None), ended


def _note(machines: Machines, machine: Host, faults: list[Fault], seconds: float) -> None:
    """A line of the table that the environment variable FAULTS_TABLE names: fault, found as, done, bytes, seconds."""
    table = os.environ.get("FAULTS_TABLE")
    if not table or not report(machines).exists():
        return
    host = json.loads(report(machines).read_text())["hosts"][machine.name]
    rows = host.get("problems", []) or host.get("left", [])
    found, done = (list(dict.fromkeys(row[key] for row in rows if row.get(key))) for key in ("code", "done"))
    moved = sum(row.get("bytes", 0) for row in rows)
    with Path(table).open("a") as file:
        names = " ".join(fault.name for fault in faults)
        file.write(
            f"| {names} | {' '.join(found) or '-'} | {'; '.join(done) or 'named'} | {moved:,} | {seconds:.0f} |\n"
        )


def report(machines: Machines) -> Any:
    """Where a run leaves its findings."""
    return machines.folder / "report.json"


def script(faults: list[Fault]) -> str:
    """The deploy script of a batch; the whole one where the shorter is not there."""
    wanted = f"deploy/{faults[0].deploy}.py"
    return wanted if (PROJECT / wanted).exists() else "deploy/full.py"


def _look(machine: Host, fault: Fault, sums: str, ended: Run) -> list[str]:
    """What is wrong with this fault's end, in words."""
    wrong = []
    done = machine.ssh("bash", text=fault.script("after"), check=False)
    if done.returncode:
        wrong.append(f"not as it must be: {done.stdout[-500:]}{done.stderr[-1500:]}")
    if _sums(machine, fault) != sums:
        wrong.append(f"touched: {' '.join(fault.untouched)}")
    for words in filter(None, (fault.says, fault.refuses)):
        if words not in ended.text:
            wrong.append(f"the run does not say {words!r}")
    return wrong


def codes(machines: Machines, machine: Host) -> set[str] | None:
    """Codes of the findings in the report; None where this version writes none."""
    if not report(machines).exists():
        return None
    host = json.loads(report(machines).read_text())["hosts"].get(machine.name, {})
    return {finding["code"] for finding in [*host.get("problems", []), *host.get("left", [])]}


def _whole(machines: Machines, machine: Host, faults: list[Fault], repair: Run) -> list[str]:
    """What is wrong with the run as a whole."""
    wrong, refuses = [], any(fault.refuses for fault in faults)
    if bool(repair.code) != refuses:
        wrong.append(f"the run ended with {repair.code}:\n{repair.text[-3000:]}")
    if refuses:
        wrong += _mended(machines, machine, faults)
    if wrong:
        return wrong
    machine.ssh(HEALTHY)
    if "Paris" not in chat(machine)["choices"][0]["message"]["content"]:
        wrong.append("the server gives another answer")
    settings = {key: value for fault in faults for key, value in fault.settings.items()}
    second = run(machines.lab, machines.where(machine, **settings), script(faults), "-y", "--json")
    if second.code or second.changes:
        changed = [one["name"] for one in second.json.get("results", {}).get("operations", []) if one.get("success")]
        wrong.append(
            f"a second run ended with {second.code} and {second.changes} changes {changed}: {second.text[-1500:]}"
        )
    return wrong


def _mended(machines: Machines, machine: Host, faults: list[Fault]) -> list[str]:
    """A person does what the run asked for, and runs it again."""
    for fault in faults:
        machine.ssh("bash", text=fault.script("undo"))
    again = run(machines.lab, machines.where(machine), script(faults), "-y")
    return [f"after the remedy a run ended with {again.code}:\n{again.text[-3000:]}"] if again.code else []
