"""Steps of one host: in order, each by itself, and a fault is this host's alone."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api import StringCommand
from pyinfra.api.exceptions import ConnectError
from pyinfra.connectors.util import CommandOutput, OutputLine

from plan.settings import Settings
from tasks import steps
from tasks.workstation import Workstation


class Host:
    """Answers commands; some break."""

    name, print_prefix = "pc", ""

    def __init__(self) -> None:
        self.state = SimpleNamespace(is_executing=True, print_output=False, print_input=False)
        self.sent: list[str] = []

    def run_shell_command(self, command: StringCommand, **_: Any) -> tuple[bool, CommandOutput]:
        text = command.get_raw_value()
        self.sent.append(text)
        if text == "cut":
            raise EOFError
        return text != "bad", CommandOutput([OutputLine("stdout", f"did {text}"), OutputLine("stderr", "why")])


def task(*commands: str | Exception) -> Any:
    def inner(ws: Workstation) -> Iterator[StringCommand]:
        for command in commands:
            if isinstance(command, Exception):
                raise command
            yield StringCommand(command)

    return SimpleNamespace(_inner=inner)


@pytest.fixture
def ws() -> Workstation:
    host: Any = Host()
    return Workstation(host, Settings(), False)


def done(ws: Workstation, *tasks: Any) -> bool:
    """As pyinfra runs an operation: until a command fails."""
    host: Any = ws.host
    for command in steps._whole(ws, [(f"step {number}", task) for number, task in enumerate(tasks)], waves=False):
        well, _ = command.execute(host.state, host, {})
        if not well:
            return False
    return True


def test_steps_run_in_order_and_what_they_print_is_kept(ws: Workstation) -> None:
    assert done(ws, task("a", "b"), task(), task("c"))
    assert ws.host.sent == ["a", "b", "c"]  # type: ignore[attr-defined]
    assert ws.printed == {"step 0": ["did a", "did b"], "step 2": ["did c"]}
    assert ws.step == "step 2" and ws.words == ["why"]


def test_a_step_that_fails_is_the_last(ws: Workstation) -> None:
    assert not done(ws, task("bad"), task("c"))
    assert ws.host.sent == ["bad"] and ws.step == "step 0"  # type: ignore[attr-defined]


def test_a_connection_that_breaks_fails_the_host(ws: Workstation) -> None:
    assert not done(ws, task("cut"))
    assert ws.words == ["the connection was lost: EOFError. Run this again."]


def test_a_host_that_is_not_reached(ws: Workstation) -> None:
    assert not done(ws, task(ConnectError("no route to host")))
    assert ws.unreachable == "no route to host"


def test_a_fault_of_ours_is_told_with_its_place(ws: Workstation) -> None:
    assert not done(ws, task("a", ZeroDivisionError("oh")), task("c"))
    assert ws.words[0].startswith("ZeroDivisionError: oh (") and ws.words[0].endswith(
        "Report this with the output of deploy/facts.py."
    )
    assert not ws.unreachable


def test_what_was_seen_while_preparing_is_forgotten(ws: Workstation) -> None:
    ws.first, ws._plan = [], object()  # type: ignore[assignment]
    assert done(ws)
    assert ws.first is None and ws.last_plan is None
