"""Replace functions of vLLM, all of a part or none, and only where they look as they did when this was written."""
import importlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Function = Callable[..., Any]
MARK = "_vllm_workstation_plugin"


class Unexpected(Exception):
    """What is to be replaced is not there, or not what it was."""


@dataclass(frozen=True)
class Patch:
    """One name in vLLM and what takes its place."""

    module: str
    name: str  # in the module; dotted for a method
    parameters: tuple[str, ...]  # of what stands there in vLLM 0.24.0
    make: Callable[[Function], Function]  # the replacement, from the original
    signature_of: str = ""  # another name in the module to read the parameters from; for a class, its __init__

    def owner(self) -> Any:
        """The module or class that the name is an attribute of."""
        return self._find(self.name.rpartition(".")[0])

    def original(self) -> Function:
        """What stands there now: what this was written for, or what took its place already."""
        there: Function = self._find(self.name)
        if hasattr(there, MARK):
            return there
        found = tuple(inspect.signature(self._find(self.signature_of or self.name)).parameters)
        if found != self.parameters:
            raise Unexpected(f"{self.module}.{self.name} takes {', '.join(found)}")
        return there

    def _find(self, name: str) -> Any:
        try:
            found: Any = importlib.import_module(self.module)
            for part in filter(None, name.split(".")):
                found = getattr(found, part)
        except (ImportError, AttributeError) as problem:
            raise Unexpected(str(problem)) from problem
        return found


def replace(patches: Sequence[Patch]) -> None:
    """Put the replacements in place. vLLM may load a plugin twice: what is replaced already stays."""
    originals = [(patch, patch.original()) for patch in patches]
    for patch, original in originals:
        if not hasattr(original, MARK):
            replacement = patch.make(original)
            setattr(replacement, MARK, True)
            setattr(patch.owner(), patch.name.rpartition(".")[2], replacement)
