"""Environment markers (PEP 508): `python_version < "3.12" and extra == "x"`."""

from __future__ import annotations

import os
import re
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple, Union

_TOKEN = re.compile(
    r"\s*(?:(?P<paren>[()])|(?P<text>\"[^\"]*\"|'[^']*')|(?P<operator>===|==|~=|!=|<=|>=|<|>|(?:not\s+in|in|and|or)\b)|(?P<name>[a-z_.]+))",
)
# Only these are compared as versions; whatever else is text.
_VERSIONS = ("python_version", "python_full_version", "implementation_version")
_OLD_NAMES = {
    "os.name": "os_name",
    "sys.platform": "sys_platform",
    "platform.machine": "platform_machine",
    "platform.version": "platform_version",
    "platform.python_implementation": "platform_python_implementation",
    "python_implementation": "platform_python_implementation",
}
_DEEPEST = 50  # parentheses; real markers have two

Holds = Callable[[str, str, str], bool]


class Invalid(ValueError):
    """A text that is no version, specifier, marker or requirement."""


class Comparison(NamedTuple):
    """`left operator right`; each side is (is it a name, its text)."""

    left: Tuple[bool, str]
    operator: str
    right: Tuple[bool, str]

    def holds(self, scene: Dict[str, str], version_holds: Holds) -> bool:
        left, right = _value(self.left, scene), _value(self.right, scene)
        names = [text for is_name, text in (self.left, self.right) if is_name]
        if "extra" in names:
            left, right = re.sub(r"[-_.]+", "-", left).lower(), re.sub(r"[-_.]+", "-", right).lower()
        if self.operator in ("in", "not in"):
            return (left in right) == (self.operator == "in")
        if any(name in _VERSIONS for name in names):
            try:
                return version_holds(left, self.operator, right)
            except Invalid:
                pass
        return _as_text(left, self.operator, right)


class Node(NamedTuple):
    """`or` of `and`s."""

    options: List[List[Union[Comparison, "Node"]]]

    def holds(self, scene: Dict[str, str], version_holds: Holds) -> bool:
        return any(all(part.holds(scene, version_holds) for part in parts) for parts in self.options)


def _value(side: Tuple[bool, str], scene: Dict[str, str]) -> str:
    is_name, text = side
    if not is_name:
        return text
    if text not in scene:
        raise Invalid("unknown marker name: %.60r" % text)
    return scene[text]


def _as_text(left: str, operator: str, right: str) -> bool:
    """Texts have no order (PEP 508 as of 2025)."""
    if operator == "~=":
        raise Invalid("texts cannot be compared by ~=")
    return operator not in ("<", ">") and (left == right) == (operator != "!=")


def parse(text: str) -> Optional[Node]:
    """None for no condition. Raises Invalid."""
    if not text.strip():
        return None
    tokens = _tokens(text)
    node = _any(tokens, 0)
    if tokens:
        raise Invalid("more than a marker: %.60r" % text)
    return node


def _tokens(text: str) -> List[Tuple[str, str]]:
    """(kind, text) from the last to the first, so that pop() takes the next."""
    found: List[Tuple[str, str]] = []
    at, text = 0, text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise Invalid("no marker: %.60r" % text)
        found.append((str(match.lastgroup), match.group(str(match.lastgroup))))
        at = match.end()
    return found[::-1]


def _any(tokens: List[Tuple[str, str]], depth: int) -> Node:
    options = [_all(tokens, depth)]
    while tokens and tokens[-1] == ("operator", "or"):
        tokens.pop()
        options.append(_all(tokens, depth))
    return Node(options)


def _all(tokens: List[Tuple[str, str]], depth: int) -> "List[Union[Comparison, Node]]":
    parts = [_atom(tokens, depth)]
    while tokens and tokens[-1] == ("operator", "and"):
        tokens.pop()
        parts.append(_atom(tokens, depth))
    return parts


def _atom(tokens: List[Tuple[str, str]], depth: int) -> Union[Comparison, Node]:
    if depth > _DEEPEST:
        raise Invalid("too deep a marker")
    if tokens and tokens[-1] == ("paren", "("):
        tokens.pop()
        node = _any(tokens, depth + 1)
        if not tokens or tokens.pop() != ("paren", ")"):
            raise Invalid("a parenthesis is not closed")
        return node
    left = _side(tokens)
    kind, operator = tokens.pop() if tokens else ("", "")
    if kind != "operator" or operator in ("and", "or"):
        raise Invalid("no comparison: %.60r" % operator)
    return Comparison(left, " ".join(operator.split()), _side(tokens))


def _side(tokens: List[Tuple[str, str]]) -> Tuple[bool, str]:
    kind, text = tokens.pop() if tokens else ("", "")
    if kind == "text":
        return False, text[1:-1]
    if kind == "name":
        return True, _OLD_NAMES.get(text, text)
    raise Invalid("neither name nor text: %.60r" % text)


def environment(python: str) -> Dict[str, str]:
    """This machine with CPython `python` (`3.11.7`)."""
    system = os.uname()
    return {
        "implementation_name": "cpython",
        "implementation_version": python,
        "os_name": "posix",
        "platform_machine": system.machine,
        "platform_python_implementation": "CPython",
        "platform_release": system.release,
        "platform_system": system.sysname,
        "platform_version": system.version,
        "python_full_version": python,
        "python_version": ".".join(python.split(".")[:2]),
        "sys_platform": system.sysname.lower(),
    }
