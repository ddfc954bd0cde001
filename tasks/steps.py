"""The steps of a deploy as one operation a host: hosts go on independently, and one that is as planned costs one command."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from paramiko import SSHException
from pyinfra import host as current
from pyinfra import logger
from pyinfra.api import Host, State, StringCommand, operation
from pyinfra.api.exceptions import ConnectError, PyinfraError
from pyinfra.connectors.util import CommandOutput, OutputLine
from typing_extensions import override

from tasks import cost, rollout
from tasks.task import Task
from tasks.workstation import Workstation

Step = tuple[str, Task]  # its name, and what it does
LOST = (PyinfraError, OSError, EOFError, SSHException)  # what a connection that breaks raises
Outcome = tuple[bool, CommandOutput]


class Within(StringCommand):
    """A command of one step: what it prints is kept with the step, and a connection that breaks fails this host alone."""

    def __init__(self, ws: Workstation, step: str, command: StringCommand) -> None:
        super().__init__(command, **command.connector_arguments)
        self.ws, self.step, self.command = ws, step, command

    @override
    def execute(self, state: State, host: Host, connector_arguments: Any) -> Outcome:
        try:
            done, output = self.command.execute(state, host, connector_arguments)
        except LOST as error:
            done, output = (
                False,
                _words(f"the connection was lost: {str(error) or type(error).__name__}. Run this again."),
            )
        self.ws.printed.setdefault(self.step, []).append(output.stdout)
        self.ws.words = output.stderr_lines
        return done, output


class Failed(StringCommand):
    """Fails this host without asking it anything."""

    def __init__(self, ws: Workstation, sentence: str) -> None:
        super().__init__("false")
        self.ws, self.sentence = ws, sentence

    @override
    def execute(self, state: State, host: Host, connector_arguments: Any) -> Outcome:
        self.ws.words = self.sentence.splitlines()
        return False, _words(self.sentence)


def _words(sentence: str) -> CommandOutput:
    return CommandOutput([OutputLine("stderr", line) for line in sentence.splitlines()])


def entered(ws: Workstation, name: str) -> None:
    """A step begins on a host."""
    ws.step = name


def _whole(ws: Workstation, steps: Sequence[Step], waves: bool) -> Iterator[StringCommand]:
    ws.begin()
    try:
        if not ws.host.state.is_executing and cost.asked():
            cost.look(ws, [task for _, task in steps])
        if waves and rollout.waits(ws) and _would_change(ws, steps):
            if reason := rollout.turn(ws):
                ws.held = reason
                current.noop(reason)
                return
            ws.begin()
        yield from _each(ws, steps)
    except ConnectError as error:
        ws.unreachable = str(error)
        yield Failed(ws, str(error))
    except LOST as error:
        yield Failed(ws, f"the connection was lost: {str(error) or type(error).__name__}. Run this again.")
    except Exception as error:  # a fault of ours is this host's alone too
        logger.debug(traceback.format_exc())
        where = traceback.extract_tb(error.__traceback__)[-1]
        yield Failed(
            ws,
            f"{type(error).__name__}: {error} ({where.filename}:{where.lineno}). Report this with the output of deploy/facts.py.",
        )


def _each(ws: Workstation, steps: Sequence[Step], aloud: bool = True) -> Iterator[StringCommand]:
    for name, task in steps:
        entered(ws, name)
        said = False
        for command in _commands(task, ws):
            if aloud and not said and ws.host.state.is_executing:
                logger.info(f"{ws.host.print_prefix}{name}")
                said = True
            yield Within(ws, name, command)


def _commands(task: Task, ws: Workstation) -> Iterator[StringCommand]:
    generator: Callable[[Workstation], Iterator[StringCommand]] = cast(Any, task)._inner
    return generator(ws)


def _would_change(ws: Workstation, steps: Sequence[Step]) -> bool:
    """Whether any step has something to do, as the machine is now."""
    return next(_each(ws, steps, aloud=False), None) is not None


_decorate: Any = operation()
_operation = _decorate(_whole)


def run(ws: Workstation, steps: Sequence[Step], name: str, waves: bool = True) -> None:
    """Do these steps in order on one host; a host that fails in one does none of the others.

    `waves`: where the lab is changed in waves; False for what all hosts need before the first wave begins.
    """
    ws.operations += 1
    _operation(ws, steps, waves, name=name)
