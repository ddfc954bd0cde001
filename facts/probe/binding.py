"""Would the symbols of newly loaded objects be found, as the loader binds them (RTLD_NOW, as Python's imports do)?"""

from __future__ import annotations

import os
from typing import Callable, Dict, List, NamedTuple, Optional, Set, Tuple

from . import cuda
from .elf import Bad
from .elfsymbols import Want
from .loader import Loaded, Process


class Problem(NamedTuple):
    """`provider` is the object that should have the symbol, where that is known; `more` counts further ones of the pair."""

    code: str
    consumer: Loaded
    provider: Optional[Loaded]
    message: str
    more: int = 0


def check(process: Process, root: Loaded, new: List[Loaded], whole: Callable[[Loaded], bool]) -> List[Problem]:
    """Problems of the objects that a dlopen of `root` brought.

    Of an object that is `whole` every symbol is looked up. Of the others those that come from CUDA's libraries or have C
    names: torch's own C++ symbols are of one wheel, whose sizes RECORD vouches for.
    """
    scope = process.scope(root)
    names: Dict[str, Loaded] = {}
    for one in scope:
        for name in one.names | {one.elf.soname or one.path}:
            names.setdefault(name, one)
    problems: List[Problem] = []
    found: Dict[Tuple[bytes, Optional[str]], bool] = {}
    for one in new:
        try:
            problems += _versions(one, names)
            problems += _symbols(one, names, scope, _everything if whole(one) else _foreign, found)
        except Bad as error:
            problems.append(Problem("BAD-ELF", one, one, "%s: %s" % (one.path, error)))
    return _merged(problems)


def _everything(soname: Optional[str], name: bytes) -> bool:
    return True


def _foreign(soname: Optional[str], name: bytes) -> bool:
    return cuda.stem(soname) is not None if soname else name[:2] != b"_Z"


def _versions(one: Loaded, names: Dict[str, Loaded]) -> List[Problem]:
    """Versions that a needed library does not define: `GLIBCXX_3.4.30' not found."""
    found = []
    for soname, versions in one.symbols.needs:
        provider = names.get(soname)
        if provider is None or not _definitions(provider):
            continue
        have = set(_definitions(provider).values())
        for version, _, weak in versions:
            if version not in have and not weak:
                message = "%s: version `%s' not found (required by %s)" % (provider.path, version, one.path)
                found.append(Problem("SYMBOL-VERSION", one, provider, message))
    return found


def _definitions(one: Loaded) -> Dict[int, str]:
    try:
        return one.symbols.definitions
    except Bad:
        return {}


def _symbols(
    one: Loaded,
    names: Dict[str, Loaded],
    scope: List[Loaded],
    choose: Callable[[Optional[str], bytes], bool],
    found: Dict[Tuple[bytes, Optional[str]], bool],
) -> List[Problem]:
    problems = []
    for want in one.symbols.wants(choose):
        key = (want.name, want.version)
        if key not in found:
            first = names.get(want.soname) if want.soname else None
            found[key] = any(_defines(other, want) for other in _order(first, one, scope))
        if not found[key]:
            provider = _provider(one, want, names)
            version = ", version %s" % want.version if want.version else ""
            message = "%s: undefined symbol: %s%s" % (one.path, os.fsdecode(want.name), version)
            problems.append(Problem("SYMBOL", one, provider, message))
    return problems


def _order(first: Optional[Loaded], one: Loaded, scope: List[Loaded]) -> List[Loaded]:
    """The scope, likely ones first: that it is found matters here, not where."""
    likely = ([first] if first else []) + one.needs
    seen: Set[int] = set()
    order = []
    for other in likely + scope:
        if id(other) not in seen:
            seen.add(id(other))
            order.append(other)
    return order


def _defines(one: Loaded, want: Want) -> bool:
    """A damaged table is told of once, not once a symbol."""
    try:
        return one.symbols.defines(want.name, want.version)
    except Bad:
        return True


def _provider(one: Loaded, want: Want, names: Dict[str, Loaded]) -> Optional[Loaded]:
    """Who should have it: the soname it names, else the needed CUDA library whose name the symbol begins with."""
    if want.soname:
        return names.get(want.soname)
    plain = want.name.lstrip(b"_").lower()
    stems = [(cuda.stem(os.path.basename(other.path)) or "", other) for other in one.needs]
    fitting = [(len(stem), other) for stem, other in stems if stem and plain.startswith(stem.lower().encode())]
    return max(fitting, key=lambda pair: pair[0])[1] if fitting else None


def _merged(problems: List[Problem]) -> List[Problem]:
    """One of each pair of consumer and provider."""
    found: Dict[Tuple[str, int, int], Problem] = {}
    for one in problems:
        key = (one.code, id(one.consumer), id(one.provider))
        found[key] = found[key]._replace(more=found[key].more + 1) if key in found else one
    return list(found.values())
