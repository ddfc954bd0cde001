"""What the installed torch/__init__.py preloads itself, read from its source: it changed in 2.6, 2.9, 2.10 and 2.11.

`_load_global_deps` opens libtorch_global_deps.so; where that works it opens some libraries of the wheels by full path
(`then`, only if `condition` stands in /proc/self/maps, and errors are swallowed); where it fails it opens all (`instead`).
"""

from __future__ import annotations

import ast
import re
from typing import List, NamedTuple, Optional, Tuple


class Preload(NamedTuple):
    folder: str
    pattern: str
    required: bool = True


class Preloads(NamedTuple):
    condition: Optional[str]
    then: List[Preload]
    instead: List[Preload]


NONE = Preloads(None, [], [])


def parse(source: str) -> Preloads:
    """NONE where there is no such function (or not one that is understood)."""
    loading = _function(source, "_load_global_deps")
    tries = [node for node in ast.walk(loading) if isinstance(node, ast.Try)] if loading else []
    if not tries:
        return NONE
    body, handlers = tries[0].body, tries[0].handlers
    instead = [one for handler in handlers for node in handler.body for one in _preloads(node, source)]
    return Preloads(_condition(body), [one for node in body for one in _preloads(node, source)], instead)


def _function(source: str, name: str) -> Optional[ast.AST]:
    """Parsing one function takes a hundredth of parsing the file."""
    match = re.search(r"^def %s\(.*?(?=^[^\s)#]|\Z)" % re.escape(name), source, re.M | re.S)
    try:
        return ast.parse(match.group()) if match else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _condition(body: List[ast.stmt]) -> Optional[str]:
    """`if "libcudart.so" not in _maps: return`."""
    for node in body:
        for part in ast.walk(node):
            if isinstance(part, ast.Compare) and isinstance(part.ops[0], ast.NotIn):
                return _text(part.left)
    return None


def _preloads(node: ast.AST, source: str, depth: int = 0) -> List[Preload]:
    """Pairs of folder and pattern in the order of the source, through the helpers that are called."""
    found: List[Tuple[int, int, List[Preload]]] = []
    for part in ast.walk(node):
        if isinstance(part, ast.Dict):
            pairs = [_pair(key, value) for key, value in zip(part.keys, part.values)]
        elif isinstance(part, ast.Tuple) and len(part.elts) >= 2:
            pairs = [_pair(part.elts[0], part.elts[1])]
        elif isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Subscript):
            pairs = [_pair(_index(part.targets[0]), part.value)]
        elif isinstance(part, ast.Call):
            pairs = _call(part, source, depth)
        else:
            continue
        line, column = getattr(part, "lineno", 0), getattr(part, "col_offset", 0)
        found.append((line, column, [pair for pair in pairs if pair]))
    return [pair for _, _, pairs in sorted(found, key=lambda entry: entry[:2]) for pair in pairs]


def _call(call: ast.Call, source: str, depth: int) -> "List[Optional[Preload]]":
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    if not name.startswith("_preload_") or depth > 3:
        return []
    optional = any(word.arg == "required" and _constant(word.value) is False for word in call.keywords)
    pair = _pair(call.args[0], call.args[1]) if len(call.args) >= 2 else None
    helper = None if pair else _function(source, name)
    pairs = [pair] if pair else _preloads(helper, source, depth + 1) if helper else []
    return [one._replace(required=False) if one and optional else one for one in pairs]


def _pair(folder: Optional[ast.AST], pattern: ast.AST) -> Optional[Preload]:
    first, second = _text(folder), _text(pattern)
    return Preload(first, second) if first and second and second.startswith("lib") and ".so" in second else None


def _index(node: ast.Subscript) -> ast.AST:
    return getattr(node.slice, "value", node.slice) if type(node.slice).__name__ == "Index" else node.slice  # until 3.8


def _constant(node: Optional[ast.AST]) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def _text(node: Optional[ast.AST]) -> Optional[str]:
    value = _constant(node)
    return value if isinstance(value, str) else None
