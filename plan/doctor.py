"""What is wrong with one machine, why, and what to do: the probe's answer as findings, the one to start with first. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from plan import advice, advisories, causes, findings, platform, problems
from plan.drift import Ours
from plan.evidence import Refusal
from plan.findings import tell
from plan.machine import Machine
from plan.plan import Plan
from plan.portrait import portrait
from plan.problems import Problem
from plan.report import EXIT, Diagnosis, Drift, HostReport, Report, State, Words
from plan.settings import Settings

MOST = 3  # findings of one code that are listed apart


def examine(
    name: str, machine: Machine, settings: Settings, plan: Plan, ours: Ours, password: bool = True
) -> HostReport:
    """The report of a machine that could be looked at. Never raises for anything that a machine can be: a check that fails is a finding.

    `password`: whether sudo's password is given to the next run, where it asks for one.
    """
    found: list[Diagnosis] = []
    wrong: list[Problem] = []
    for check in (_refusals, _problems, causes.told, _errors, _holes):
        try:
            found += check(machine, settings, plan, ours)
        except Exception as error:
            found.append(crashed(f"{check.__name__.strip('_')}: {type(error).__name__}: {error}"))
    try:
        wrong = _wrong(machine, settings, plan, ours)
        told = portrait(machine, settings, plan)
        told["advice"] = advice.advice(machine, settings, plan)
    except Exception as error:
        found.append(crashed(f"portrait: {type(error).__name__}: {error}"))
        told = {}
    found, asks = (found, False) if password else _by_sudo(machine, found)
    return report(name, found, asks, changes=_changes(wrong), **told)


def _by_sudo(machine: Machine, found: list[Diagnosis]) -> tuple[list[Diagnosis], bool]:
    """The findings with a refusal where a re-run would have no sudo at all; and whether sudo would ask it for a password."""
    refusal = platform.sudo(machine)
    if refusal is None or all(one.actor == "person" for one in found):
        return found, False
    return (found, True) if machine.system.sudo.present else ([*found, _refused(refusal)], False)


def _with_password(fix: Words) -> Words:
    """What to do, where sudo asks for a password that was not given."""
    if fix == findings.again():
        return findings.again("password")
    return Words(
        en=f"{fix.en} sudo asks for a password here: add --use-sudo-password.",
        zh=f"{fix.zh}此處 sudo 需要密碼：請加上 --use-sudo-password。",
    )


def report(name: str, found: list[Diagnosis], asks: bool = False, **told: object) -> HostReport:
    """Findings in their order and the state that follows from them, with what else is told. `asks`: sudo wants a password for a re-run."""
    ordered = _fewer(_ordered(found))
    if asks:
        ordered = [
            one.model_copy(update={"fix": _with_password(one.fix)}) if one.actor == "rerun" else one for one in ordered
        ]
    state = _state(ordered)
    fields = {
        "name": name,
        "state": state,
        "exit": EXIT[state],
        "primary": ordered[0] if ordered else None,
        "others": ordered[1:],
    }
    return HostReport.model_validate({**fields, **told})


def unreachable(name: str, why: str) -> HostReport:
    """A machine that could not be asked."""
    return HostReport(name=name, state="unreachable", exit=EXIT["unreachable"], primary=tell("UNREACHABLE", why))


def crashed(evidence: str) -> Diagnosis:
    """A check of ours that failed."""
    return tell("CHECK", evidence)


def _state(found: list[Diagnosis]) -> State:
    if not found:
        return "healthy"
    return "person" if any(one.actor == "person" for one in found) else "rerun"


def _ordered(found: list[Diagnosis]) -> list[Diagnosis]:
    """Errors before warnings, causes before what they cause; what a re-run takes away with its cause needs no person."""
    codes = {one.code for one in found if one.actor == "rerun"}
    mended = {"actor": "rerun", "fix": findings.again()}
    settled = [one.model_copy(update=mended) if findings.caused(one.code, codes) else one for one in found]
    return sorted(settled, key=lambda one: (one.severity != "error", findings.rank(one.code)))


def _fewer(found: list[Diagnosis]) -> list[Diagnosis]:
    """At most MOST of a code; the last of them says how many more there are."""
    kept: list[Diagnosis] = []
    for code in dict.fromkeys(one.code for one in found):
        same = [one for one in found if one.code == code]
        more = len(same) - MOST
        kept += same[:MOST] if more <= 0 else [*same[: MOST - 1], same[MOST - 1].model_copy(update={"also": more})]
    return kept


def _refusals(machine: Machine, settings: Settings, plan: Plan, ours: Ours) -> Iterator[Diagnosis]:
    """Why nothing could be done."""
    return (_refused(one) for one in plan.refusals)


def _refused(one: Refusal) -> Diagnosis:
    return tell(one.code, one.message, fix=one.remedy.replace("run this again", "run deploy/full.py again"))


def _wrong(machine: Machine, settings: Settings, plan: Plan, ours: Ours) -> list[Problem]:
    """What differs from the plan, apart from what could not be looked at: that is not missing."""
    look = problems.apart if plan.refusals else problems.find
    unseen = set(machine.errors)
    return [
        one for one in look(machine, settings, plan, ours) if not unseen & set(problems.rows()[one.code]["subjects"])
    ]


def _problems(machine: Machine, settings: Settings, plan: Plan, ours: Ours) -> Iterator[Diagnosis]:
    """What differs from the plan; on a machine that was never set up that is one thing."""
    wrong = _wrong(machine, settings, plan, ours)
    if not problems.set_up_once(machine):
        if not plan.refusals and not {"releases", "service"} & set(machine.errors):
            yield tell("NOT-SET-UP", f"{machine.releases.root} holds no server")
        wrong = [one for one in wrong if one.code in ("ORPHAN", "DPKG", "PORT", "DISK", "WSL-DRIVER", "OWNER")]
    for one in wrong:
        yield _drifted(machine, plan, one)
    yield from _noted(machine, plan, {one.code for one in wrong})


def _drifted(machine: Machine, plan: Plan, one: Problem) -> Diagnosis:
    found = tell(one.code, one.evidence, actor="rerun" if one.step else "person")
    check = machine.libraries.get(plan.choice.lock) if plan.choice else None
    if one.code == "LIBRARY" and check is not None and check.verdict == "drift":
        return found.model_copy(update={"severity": "warning"})  # it serves as it is
    return found


NOTED = {"WSL-DRIVER": ". Remove it", "OWN-EXPORT": ". It is yours"}
"""Notes of the plan that are findings, and where their evidence ends."""


def _noted(machine: Machine, plan: Plan, known: set[str]) -> Iterator[Diagnosis]:
    """What is the user's and stays: a driver inside WSL that nobody has allowed us to remove (a warning while the GPU is seen), another CUDA."""
    without_toolkit = (
        {"OWN-EXPORT"} if plan.toolkit_version is None else set()
    )  # nothing yet that it could be other than
    for note in plan.notes:
        if note.code in NOTED and note.code not in known | without_toolkit:
            found = tell(note.code, note.message.partition(NOTED[note.code])[0], actor="person")
            seen = note.code == "WSL-DRIVER" and machine.gpu.devices
            yield found.model_copy(update={"severity": "warning"}) if seen else found


def _errors(machine: Machine, settings: Settings, plan: Plan, ours: Ours) -> Iterator[Diagnosis]:
    """Subjects that could not be looked at."""
    if any(one.code == "PROBE" for one in plan.refusals):
        return
    for subject, words in machine.errors.items():
        yield crashed(f"{subject}: {words}")


def _holes(machine: Machine, settings: Settings, plan: Plan, ours: Ours) -> Iterator[Diagnosis]:
    """Known holes of the release that nothing keeps from mattering."""
    open_ = [one for one in portrait(machine, settings, plan)["vulnerabilities"] if one.compensated is None]
    if open_ and not plan.refusals:
        told = ", ".join(f"{one.id} ({one.severity})" for one in open_)
        sound = _without_holes(plan)
        yield tell("VULNERABLE", told, which="newer" if sound else "local", release=sound)


def _without_holes(plan: Plan) -> str | None:
    """The first release that suits this machine and has no known hole that others who reach the port can use."""
    other = plan.model is not None and not plan.model.is_gpt_oss
    releases = (one.release for one in plan.candidates)
    return next((one.name for one in releases if not advisories.applying(one.version, True, other)), None)


def _changes(wrong: list[Problem]) -> list[Words]:
    """What deploy/full.py would do, once for each kind."""
    rows = problems.rows()
    codes = dict.fromkeys(one.code for one in wrong if one.step)
    return [
        Words(en=f"{code}: would be {rows[code]['done'].partition(';')[0]}", zh=f"{code}：{rows[code]['done_zh']}")
        for code in codes
    ]


def drifted(report: Report, last: Report | None) -> Report:
    """The report with what came and what went since the last one, host by host of the same name."""
    before = {host.name: host for host in last.hosts} if last else {}

    def against(host: HostReport) -> HostReport:
        if last is None or host.name not in before:
            return host
        now, then = ({one.code: None for one in each.findings} for each in (host, before[host.name]))
        drift = Drift(
            since=last.made_at,
            new=[code for code in now if code not in then],
            gone=[code for code in then if code not in now],
        )
        return host.model_copy(update={"drift": drift})

    return report.model_copy(update={"hosts": [against(host) for host in report.hosts]})
