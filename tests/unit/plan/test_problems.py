"""When a machine is left alone, and what is said to be left on one that is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plan import plan
from plan.converged import next_steps, remaining, serving
from plan.machine import Machine
from plan.settings import Settings
from tests.unit.machines import GALLERY, RTX_4090, changed, finished, machine

DONE = finished(machine(RTX_4090))
SERVER = "the server does not run as planned"


def left(seen: Machine, settings: Settings | None = None) -> list[str]:
    """What remains, by the plan for what is seen."""
    wanted = settings or Settings()
    return remaining(seen, wanted, plan.make(seen, wanted))


def unit(**fields: Any) -> Machine:
    """The finished machine with its unit as given."""
    assert DONE.service.unit is not None
    return changed(DONE, "service", unit={**DONE.service.unit.model_dump(), **fields})


@pytest.mark.parametrize("name", [name for name, seen in GALLERY.items() if seen.system.systemd])
def test_a_finished_machine_has_nothing_left(name: str) -> None:
    assert left(finished(GALLERY[name])) == []


def test_a_bare_machine_has_everything_left() -> None:
    bare = changed(machine(RTX_4090), "packages", installed={})
    assert left(bare) == [
        "packages missing: build-essential ca-certificates dbus-user-session libpam-systemd python3.12-dev python3.12-venv systemd-sysv",
        "the CUDA toolkit is not installed", "no release is chosen", "the model is not there or was changed", SERVER,
    ]  # fmt: skip


DRIFTED: dict[str, tuple[Machine, list[str]]] = {
    "package removed": (
        changed(
            DONE,
            "packages",
            installed={k: v.model_dump() for k, v in DONE.packages.installed.items() if k != "build-essential"},
        ),
        ["packages missing: build-essential"],
    ),
    "package broken": (
        changed(
            DONE,
            "packages",
            installed={
                k: v.model_dump() | ({"state": "half-configured"} if k == "ca-certificates" else {})
                for k, v in DONE.packages.installed.items()
            },
        ),
        ["packages missing: ca-certificates"],
    ),
    "nvcc gone": (changed(DONE, "toolkit", installed={}), ["the CUDA toolkit is not installed"]),
    "other current": (changed(DONE, "releases", current="ffff"), ["current is not the chosen release"]),
    "model touched": (
        changed(DONE, "weights", **{p: {"files": {}, "verified": w.verified} for p, w in DONE.weights.items() if w}),
        ["the model is not there or was changed"],
    ),
    "file edited": (
        DONE.model_copy(
            update={
                "files": {
                    p: f and f.model_copy(update={"sha256": "0"}) if p.endswith("plan.json") else f
                    for p, f in DONE.files.items()
                }
            }
        ),
        ["the service's files are not as planned"],
    ),
    "stopped": (unit(active="inactive", pid=None, spec=None), [SERVER]),
    "failed": (unit(active="failed"), [SERVER]),
    "disabled": (unit(enabled="disabled"), [SERVER]),
    "changed on disk": (unit(needs_reload=True), [SERVER]),
    "older plan": (unit(spec="0"), [SERVER]),
    "somebody else's": (unit(spec=None), [SERVER]),
    "no unit": (changed(DONE, "service", unit=None), [SERVER]),
    "sick": (changed(DONE, "service", health=503), [SERVER]),
    "deaf": (changed(DONE, "service", health=None), [SERVER]),
}


@pytest.mark.parametrize("name", DRIFTED)
def test_drift_is_named(name: str) -> None:
    seen, words = DRIFTED[name]
    assert left(seen) == words


@pytest.mark.parametrize(
    "wishes", [{"port": 8001}, {"max_model_len": 4096}, {"require_api_key": False}, {"reasoning_effort": "low"}]
)
def test_a_changed_setting_means_another_server(wishes: dict[str, Any]) -> None:
    assert SERVER in left(DONE, Settings(**wishes))


def test_a_server_on_another_address_is_not_asked_on_loopback() -> None:
    settings = Settings(host="192.168.1.5")
    done = changed(finished(machine(RTX_4090), settings), "service", health=None)
    assert left(done, settings) == []


def test_under_supervisord_the_running_plan_counts() -> None:
    settings = Settings()
    before = finished(GALLERY["container, RTX 4090"])
    wanted = plan.make(before, settings)
    assert wanted.serve is not None and wanted.supervisor == "supervisord"
    for spec, health, good in (
        (wanted.serve.spec, 200, True),
        (wanted.serve.spec, 503, False),
        ("0", 200, False),
        (None, 200, False),
    ):
        seen = changed(before, "service", unit=None, supervised={"pid": 5, "spec": spec}, health=health)
        assert serving(seen, settings, wanted) == good
    assert not serving(changed(before, "service", unit=None, supervised=None), settings, wanted)


def test_before_the_restart_of_wsl_the_server_is_not_asked_for_and_the_commands_are_told() -> None:
    before = finished(GALLERY["wsl without systemd, RTX 4090"])
    seen = changed(before, "service", unit=None)
    made = plan.make(seen, Settings())
    assert remaining(seen, Settings(), made) == []
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
    assert (SERVER not in left(seen, Settings())) == serves
