"""A pyinfra operation on one Workstation, with a type that pyinfra's own decorator does not give."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, cast

from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from tasks.workstation import Workstation


class Task(Protocol):
    """How the deploys call an operation."""

    def __call__(self, ws: Workstation, *, name: str) -> OperationMeta: ...


def task(function: Callable[[Workstation], Iterator[StringCommand]]) -> Task:
    """Make an operation of a generator of commands."""
    decorate: Any = operation()
    return cast(Task, decorate(function))
