"""When a machine is left alone, and what is said to be wrong on one that is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plan import libraries, plan, problems, tools, wslconf
from plan.converged import next_steps, serving
from plan.drift import Ours
from plan.machine import Machine
from plan.settings import Settings
from plan.toml import table
from tests.unit.machines import GALLERY, RTX_4070_12, RTX_4090, changed, finished, machine

DONE = finished(machine(RTX_4090))


def left(seen: Machine, settings: Settings | None = None) -> list[str]:
    """Codes of what is wrong, by the plan for what is seen."""
    wanted = settings or Settings()
    return [problem.code for problem in problems.find(seen, wanted, plan.make(seen, wanted))]


def unit(**fields: Any) -> Machine:
    """The finished machine with its unit as given."""
    assert DONE.service.unit is not None
    return changed(DONE, "service", unit={**DONE.service.unit.model_dump(), **fields})


@pytest.mark.parametrize("name", [name for name, seen in GALLERY.items() if seen.system.systemd])
def test_a_finished_machine_has_nothing_left(name: str) -> None:
    assert left(finished(GALLERY[name])) == []


def test_a_bare_machine_has_everything_left() -> None:
    bare = changed(machine(RTX_4090), "packages", installed={})
    assert left(bare) == ["PACKAGES", "CHOICE", "APT-SOURCE", "TOOLKIT", "MODEL", "LINGER"]
    assert not problems.set_up_once(bare)


def without(subject: str, field: str, name: str) -> Machine:
    """The finished machine without one entry of a mapping."""
    there = getattr(getattr(DONE, subject), field)
    return changed(DONE, subject, **{field: {key: value for key, value in there.items() if key != name}})


def file(end: str, **fields: Any) -> Machine:
    """The finished machine with the file of that name as given; missing where nothing is."""
    changes = {
        path: (seen.model_copy(update=fields) if fields else None) if seen and path.endswith(end) else seen
        for path, seen in DONE.files.items()
    }
    return DONE.model_copy(update={"files": changes})


def venv(**fields: Any) -> Machine:
    """The finished machine with its release as given."""
    lock = DONE.releases.current
    assert lock is not None
    return changed(DONE, "releases", releases={lock: {**DONE.releases.releases[lock].model_dump(), **fields}})


def checked(code: str, cause: str = "package", package: str | None = "torch", known: tuple[Any, ...] = ()) -> Machine:
    """The finished machine after a library check that found this; `known`: what the release had when it was built."""
    lock = DONE.releases.current
    assert lock is not None
    mark = {**(DONE.releases.releases[lock].complete or {}), "findings": [list(one) for one in known]}
    finding = {
        "code": code,
        "message": "m",
        "package": package,
        "path": f"{DONE.releases.root}/releases/{lock}/lib/x.so",
        "cause": cause,
    }
    return changed(
        venv(complete=mark), "libraries", **{lock: {"verdict": "runtime-fails", "findings": [finding], "count": 1}}
    )


DRIFTED: dict[str, tuple[Machine, list[str]]] = {
    "package removed": (without("packages", "installed", "build-essential"), ["PACKAGES"]),
    "package broken": (changed(DONE, "packages", interrupted=True, halfway=["gcc"]), ["DPKG"]),
    "toolkit gone": (changed(DONE, "toolkit", installed={}), ["TOOLKIT"]),
    "nvcc deleted": (changed(DONE, "toolkit", lost={"cuda-nvcc-12-8": 3}), ["TOOLKIT-FILES"]),
    "other toolkit's files": (changed(DONE, "toolkit", lost={"cuda-nvcc-11-8": 3}), []),
    "alternatives": (changed(DONE, "toolkit", current="11.8"), ["ALTERNATIVES"]),
    "no source": (changed(DONE, "apt", cuda_sources=[]), ["APT-SOURCE"]),
    "no key": (changed(DONE, "apt", keys={}), ["APT-SOURCE"]),
    "preferences gone": (file("no-driver"), ["APT-SOURCE"]),
    "profile edited": (file("cuda.sh", sha256="0"), ["EXPORTS"]),
    "profile is a link": (file("cuda.sh", kind="link"), ["EXPORTS"]),
    "hook doubled": (changed(DONE, "exports", hooks=2), ["EXPORTS"]),
    "no nvcc in a shell": (changed(DONE, "exports", login={"PATH": ["/bin"]}), ["EXPORTS"]),
    "root's files": (changed(DONE, "owner", root=["/r/service"]), ["OWNER"]),
    "leftover": (changed(DONE, "service", orphans=[{"pid": 4, "command": "VLLM::EngineCore"}]), ["ORPHAN"]),
    "no answer recorded": (changed(DONE, "releases", choice=None), ["CHOICE"]),
    "lock lost": (changed(DONE, "releases", locks={}), ["LOCK"]),
    "lock edited": (changed(DONE, "releases", locks={str(DONE.releases.current): "0" * 16}), ["LOCK"]),
    "release gone": (changed(DONE, "releases", releases={}), ["RELEASE"]),
    "python gone": (venv(python_works=False), ["RELEASE"]),
    "never finished": (venv(complete=None), ["RELEASE"]),
    "downgraded": (venv(distributions={"vllm": "0.10.1", "torch": "2.13.0"}), ["VERSIONS"]),
    "uninstalled": (venv(distributions={"vllm": "0.32.0"}), ["VERSIONS"]),
    "more installed": (venv(distributions={"vllm": "0.32.0", "torch": "2.13.0", "mine": "1"}), []),
    "library cut": (checked("SIZE"), ["LIBRARY"]),
    "library from elsewhere": (checked("MIXED", "environment"), ["FOREIGN-LIBRARY"]),
    "as built": (checked("SIZE", known=(("SIZE", "torch", "lib/x.so"),)), []),
    "deep in the venv root's": (checked("OWNER"), ["OWNER"]),
    "other current": (changed(DONE, "releases", current="ffff"), ["CURRENT"]),
    "current is a folder": (changed(DONE, "releases", current=None, current_kind="other"), ["CURRENT"]),
    "model touched": (
        changed(DONE, "weights", **{p: {"files": {}, "verified": w.verified} for p, w in DONE.weights.items() if w}),
        ["MODEL"],
    ),
    "start plan edited": (file("plan.json", sha256="0"), ["START-PLAN"]),
    "environment edited": (file("/environment", sha256="0"), ["ENVIRONMENT"]),
    "unit edited": (file(".service", sha256="0"), ["UNIT"]),
    "unit masked": (file(".service", kind="link", sha256=None), ["UNIT"]),
    "unit gone": (file(".service"), ["UNIT"]),
    "key readable": (file("api-key", mode="644"), ["KEY"]),
    "key lost": (file("api-key"), ["KEY"]),
    "key emptied": (changed(DONE, "service", key_present=False), ["KEY"]),
    "no linger": (changed(DONE, "service", linger=False), ["LINGER"]),
    "stopped": (unit(active="inactive", pid=None, spec=None), ["STOPPED"]),
    "failed": (unit(active="failed"), ["STOPPED"]),
    "disabled": (unit(enabled="disabled"), ["DISABLED"]),
    "changed on disk": (unit(needs_reload=True), ["RELOAD"]),
    "drop-in unread": (unit(drop_ins_on_disk=["/d"]), ["DROP-IN"]),
    "older plan": (unit(spec="0"), ["OTHER-START"]),
    "older files": (unit(started="0"), ["OTHER-START"]),
    "somebody else's": (unit(spec=None), ["OTHER-START"]),
    "no unit": (changed(DONE, "service", unit=None), ["STOPPED"]),
    "sick": (changed(DONE, "service", health=503), ["UNHEALTHY"]),
    "deaf": (changed(DONE, "service", health=None), ["UNHEALTHY"]),
    "door left shut": (changed(DONE, "service", draining=True), ["DRAINING"]),
    "never asked": (changed(DONE, "service", answered=None), ["ANSWER"]),
    "port": (changed(DONE, "service", port_holders=[{"pid": 3, "command": "nc", "spec": None}]), ["PORT"]),
    "disk full": (changed(DONE, "system", disk={"free_bytes": 1000}), ["DISK"]),
}


@pytest.mark.parametrize("name", DRIFTED)
def test_drift_is_named(name: str) -> None:
    seen, codes = DRIFTED[name]
    assert left(seen) == codes


def test_every_kind_of_problem_is_tried() -> None:
    tried = {code for _, codes in DRIFTED.values() for code in codes}
    elsewhere = {"TOOLS", "WSL-CONF", "WSL-DRIVER", "KEY-CHANGED"}
    assert tried | elsewhere == {row["code"] for row in table("problems")["problem"]}


def test_tools_that_are_not_as_delivered() -> None:
    good: dict[str, Any] = {
        "python_works": True,
        "python": "3.12.3",
        "complete": {"digest": "d"},
        "distributions": dict.fromkeys(tools.NEEDED, "1"),
    }
    bad: list[dict[str, Any]] = [
        {"python_works": False},
        {"complete": None},
        {"python": "3.11.2"},
        {"distributions": {"uv": "1"}},
    ]
    assert tools.why_not(changed(DONE, "releases", tools=good), "d") is None
    assert tools.why_not(changed(DONE, "releases", tools=None), "d") == "the tools are not there"
    assert all(tools.why_not(changed(DONE, "releases", tools={**good, **fields}), "d") for fields in bad)
    cut = {"tools": {"verdict": "runtime-fails", "findings": [{"code": "SIZE", "message": "uv is cut"}]}}
    seen = changed(changed(DONE, "releases", tools=good), "libraries", **cut)
    assert tools.why_not(seen, "d") == "tools: SIZE uv is cut"
    found = problems.find(seen, Settings(), plan.make(seen, Settings()), Ours(files={"/h": "x"}, tools="d"))
    assert [(one.code, one.evidence) for one in found] == [
        ("TOOLS", "/h is missing"),
        ("TOOLS", "tools: SIZE uv is cut"),
    ]


def test_wsl_conf_that_switches_systemd_off_while_it_runs() -> None:
    done = finished(machine(RTX_4090, wsl=2))
    for text, codes in (
        ("[boot]\nsystemd=false\n", ["WSL-CONF"]),
        ("[boot]\nsystemd=true\n", []),
        ("", []),
        (wslconf.MARK, ["WSL-CONF"]),
    ):
        assert left(changed(done, "wsl", conf=text)) == codes, text


def test_a_repair_keeps_the_release_whatever_has_become_possible() -> None:
    older = changed(DONE, "releases", choice={**(DONE.releases.choice or {}), "key": "another question"})
    assert plan.make(older, Settings()).choice is None
    kept = plan.make(older, Settings(), keep=True)
    assert kept.choice is not None and kept.choice.lock == DONE.releases.current
    (refusal,) = plan.make(changed(older, "releases", choice=None), Settings(), keep=True).refusals
    assert refusal.code == "NOT-SET-UP" and refusal.remedy == "Run deploy/full.py."


def test_what_to_put_back() -> None:
    lock = str(DONE.releases.current)
    assert libraries.mend(checked("SIZE"), lock).damaged == ["torch"]
    assert libraries.mend(checked("VERSION"), lock).damaged == []
    assert libraries.mend(checked("ORPHAN", package=None), lock).stray == [
        f"{DONE.releases.root}/releases/{lock}/lib/x.so"
    ]
    assert libraries.mend(checked("MIXED", "environment"), lock) == libraries.Mend()
    assert problems.suspects(checked("HASH"), plan.make(DONE, Settings())) == ["torch"]


@pytest.mark.parametrize(
    "wishes", [{"port": 8001}, {"max_model_len": 4096}, {"require_api_key": False}, {"reasoning_effort": "low"}]
)
def test_a_changed_setting_means_another_server(wishes: dict[str, Any]) -> None:
    assert "OTHER-START" in left(DONE, Settings(**wishes))


@pytest.mark.parametrize("host", ["192.168.1.5", "::", "::1", "0.0.0.0", "127.0.0.1"])
def test_a_server_that_does_not_answer_where_it_listens_is_unhealthy(host: str) -> None:
    settings = Settings(host=host)
    done = finished(machine(RTX_4090), settings)
    assert left(done, settings) == []
    assert left(changed(done, "service", health=None), settings) == ["UNHEALTHY"]


def test_a_dead_server_is_told_where_the_choice_is_lost_too() -> None:
    dead = unit(active="failed", pid=None, spec=None, started=None)
    assert left(changed(dead, "releases", choice=None))[-1] == "STOPPED"


def test_a_machine_that_served_on_a_gpu_does_not_become_another() -> None:
    done = finished(machine(RTX_4070_12))
    gone = changed(done, "gpu", devices=[], smi_path=None, driver=None)
    assert [one.code for one in plan.make(gone, Settings()).refusals] == ["GPU-GONE"]
    assert plan.make(gone, Settings(engine="cpu")).refusals == []
    assert plan.make(machine(), Settings()).refusals == []


def test_under_supervisord_the_running_plan_counts() -> None:
    settings = Settings()
    before = finished(GALLERY["container, RTX 4090"])
    wanted = plan.make(before, settings)
    assert wanted.serve is not None and wanted.supervisor == "supervisord" and before.service.supervised is not None
    started = before.service.supervised.started
    for spec, health, good in (
        (wanted.serve.spec, 200, True),
        (wanted.serve.spec, 503, False),
        ("0", 200, False),
        (None, 200, False),
    ):
        seen = changed(
            before, "service", unit=None, supervised={"pid": 5, "spec": spec, "started": started}, health=health
        )
        assert serving(seen, settings, wanted) == good
    assert not serving(changed(before, "service", unit=None, supervised=None), settings, wanted)


def test_before_the_restart_of_wsl_the_server_is_not_asked_for_and_the_commands_are_told() -> None:
    before = finished(GALLERY["wsl without systemd, RTX 4090"])
    seen = changed(changed(before, "service", unit=None), "wsl", conf=plan.make(before, Settings()).wsl_conf)
    made = plan.make(seen, Settings())
    assert problems.find(seen, Settings(), made) == []
    steps = next_steps(made)
    assert steps is not None and "wsl --shutdown" in steps and "PowerShell" in steps
    assert next_steps(plan.make(DONE, Settings())) is None


@pytest.mark.parametrize(
    ("answered", "held", "serves"), [("a", "a", True), ("a", "b", False), (None, "b", True), ("a", None, True)]
)
def test_a_server_under_another_key_does_not_run_as_planned(
    answered: str | None, held: str | None, serves: bool
) -> None:
    seen = changed(DONE, "service", answered=json.dumps({"key": answered}), key_digest=held)
    assert ("KEY-CHANGED" not in left(seen, Settings())) == serves
