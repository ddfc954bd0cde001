"""The controller's answer to a start that ran out of memory, and following a job that asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pyinfra.api import StringCommand

from plan import plan as planning
from plan.machine import Machine
from plan.plan import Plan
from plan.settings import Settings
from tasks import progress, stepdown
from tests.unit.machines import LOCK, ROOT, RTX_4070_12, changed, machine, resolved

SETTINGS = Settings(vllm_release="0.32.0")  # one release, without our plugin


def looked(before: Machine, **releases: Any) -> Machine:
    """The machine with a release chosen and switched to."""
    return changed(resolved(before, SETTINGS), "releases", **{"current": LOCK, **releases})


class Fake:
    """A Workstation whose machine learns what the job writes into outcomes.json."""

    def __init__(self, before: Machine) -> None:
        self.before, self.root, self.settings = before, ROOT, SETTINGS
        self.rows: list[dict[str, Any]] = []
        self.start: dict[str, Any] | None = None
        self.forgotten = 0

    def forget(self) -> None:
        self.forgotten += 1

    @property
    def machine(self) -> Machine:
        choice = {"choice": self.before.releases.choice, "current": self.before.releases.current}
        return changed(
            self.before, "releases", outcomes={"failures": self.rows, "measured": None}, start=self.start, **choice
        )

    @property
    def plan(self) -> Plan:
        return planning.make(self.machine, self.settings)

    def fails(self, stage: str = "load", short: int = 300) -> dict[str, Any]:
        """The planned start runs out of memory; what the job then asks."""
        serve = self.plan.serve
        assert serve is not None
        told = {
            "spec": serve.spec,
            "stage": stage,
            "short_mib": short,
            "words": "CUDA out of memory",
            "card": serve.card,
        }
        self.rows.append(told)
        self.start = {"spec": serve.spec, "card": serve.card}
        return {"stage": "the card ran out of memory", "wants": "smaller plan", "spec": serve.spec}


def told(commands: Iterator[StringCommand]) -> list[str]:
    """The commands as text."""
    return [command.get_raw_value() for command in commands]


def steps(ws: Any) -> stepdown.Steps:
    return stepdown.Steps(ws)


def test_a_smaller_plan_is_written_and_its_start_plan_last() -> None:
    ws = Fake(looked(machine(RTX_4070_12)))
    asked = ws.fails()
    found = told(steps(ws).answer(asked))
    assert "service/environment" in found[0] and "service/plan.json" in found[-1]
    assert stepdown.DECLINED not in "".join(found)
    assert ws.plan.serve is not None and ws.plan.serve.spec != asked["spec"]


def test_each_question_is_answered_once() -> None:
    ws = Fake(looked(machine(RTX_4070_12)))
    answers, asked = steps(ws), ws.fails()
    assert told(answers.answer(asked)) and not told(answers.answer(asked))
    assert not told(answers.answer({})) and not told(answers.answer({"stage": "loading"}))


def test_the_job_is_told_that_there_is_no_smaller_plan() -> None:
    ws = Fake(looked(machine(RTX_4070_12)))
    answers = steps(ws)
    for _ in range(9):
        (*_, last) = told(answers.answer(ws.fails("profile", 900)))
        if stepdown.DECLINED in last:
            break
    assert stepdown.DECLINED in last and "service/plan.json" not in last
    assert answers.why()


def test_another_release_is_for_the_next_run() -> None:
    ws = Fake(looked(machine(RTX_4070_12), current="fedcba"))
    answers = steps(ws)
    (last,) = told(answers.answer(ws.fails()))
    assert stepdown.DECLINED in last and answers.why() == "Another plan is left to try: run this again."


def test_a_refusal_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    ws = Fake(looked(machine(RTX_4070_12)))
    answers = steps(ws)
    told(answers.answer(ws.fails()))
    small = changed(ws.before, "gpu", devices=[{**RTX_4070_12, "memory_free_mib": 3000}])
    ws.before, ws.start = small, None
    assert "NVIDIA GeForce RTX 4070" in answers.why() and "GiB" in answers.why()


def test_the_same_plan_again_is_no_way_on() -> None:
    ws = Fake(looked(machine(RTX_4070_12)))
    answers = steps(ws)
    serve = ws.plan.serve
    assert serve is not None
    (last,) = told(answers.answer({"wants": "smaller plan", "spec": serve.spec}))  # nothing was learnt
    assert stepdown.DECLINED in last and answers.why().startswith("No smaller plan is known.")


def test_other_failures_have_no_reason_of_ours() -> None:
    assert steps(Fake(looked(machine(RTX_4070_12)))).why() == ""


class Job:
    """A host whose job goes through these states."""

    print_prefix = "[pc] "

    def __init__(self, states: list[dict[str, Any]]) -> None:
        self.states, self.host, self.root = states, self, ROOT
        self.moved: dict[str, int] = {}

    def get_fact(self, *_: Any, **__: Any) -> dict[str, Any]:
        return self.states.pop(0)


ASKS = {"state": "running", "progress": {"stage": "the card ran out of memory", "wants": "smaller plan", "spec": "1"}}


def test_following_answers_what_a_job_asks() -> None:
    job: Any = Job(
        [{"state": "running", "progress": None}, ASKS, {"state": "running", "progress": {}}, {"state": "done"}]
    )
    seen = []

    def answer(asked: dict[str, Any]) -> Iterator[StringCommand]:
        seen.append(asked)
        yield StringCommand("write")

    assert told(progress.follow(job, "start", "server", answer)) == ["write"] * 3
    assert seen == [{}, ASKS["progress"], {}]


def test_a_failure_ends_with_the_reason() -> None:
    job: Any = Job([{"state": "failed", "lines": ["a", "b"]}])
    (last,) = told(progress.follow(job, "start", "server", why=lambda: "because."))
    assert "server failed: a\nb\nbecause.'" in last
    job = Job([{"state": "failed", "lines": ["a"]}])
    assert "server failed: a'" in told(progress.follow(job, "start", "server"))[0]
