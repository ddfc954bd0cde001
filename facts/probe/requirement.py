"""Versions, specifiers, markers and Requires-Dist lines (PEP 440 and PEP 508), as much as metadata of installed wheels needs.

Where a text is no valid version or requirement, `Invalid` is raised; the callers take that as "says nothing".
"""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple, Union

from . import marker
from .marker import Invalid

_VERSION = re.compile(
    r"v?(?:(?P<epoch>[0-9]+)!)?(?P<release>[0-9]+(?:\.[0-9]+)*)"
    r"(?P<pre>[-_.]?(?P<pre_l>alpha|a|beta|b|preview|pre|c|rc)[-_.]?(?P<pre_n>[0-9]+)?)?"
    r"(?P<post>-(?P<post_n1>[0-9]+)|[-_.]?(?:post|rev|r)[-_.]?(?P<post_n2>[0-9]+)?)?"
    r"(?P<dev>[-_.]?dev[-_.]?(?P<dev_n>[0-9]+)?)?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?",
    re.I | re.A,
)
_PRE = {"alpha": "a", "a": "a", "beta": "b", "b": "b", "preview": "rc", "pre": "rc", "c": "rc", "rc": "rc"}
_SPECIFIER = re.compile(r"\s*(===|~=|==|!=|<=|>=|<|>)\s*([^\s,;)]+)\s*")
_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[([^\]]*)\])?\s*")
_LONGEST = 400  # characters of a version; int() of thousands of digits is an error in itself

_Part = Tuple[Any, ...]


def normalise(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


class Version(NamedTuple):
    """A parsed version; `None` where it has no such part."""

    epoch: int
    release: Tuple[int, ...]
    pre: Optional[Tuple[str, int]]
    post: Optional[int]
    dev: Optional[int]
    local: Optional[Tuple[Union[int, str], ...]]

    def key(self) -> _Part:
        """What PEP 440 orders by: dev before pre before final before post; trailing zeros count for nothing."""
        pre: _Part = (1,) if self.pre is None else (0,) + self.pre
        if self.pre is None and self.post is None and self.dev is not None:
            pre = (-1,)
        post = -1 if self.post is None else self.post
        dev: _Part = (1,) if self.dev is None else (0, self.dev)
        local: _Part = tuple((1, part) if isinstance(part, int) else (0, part) for part in self.local or ())
        return self.epoch, trimmed(self.release), pre, post, dev, self.local is not None, local

    def public(self) -> Version:
        return self._replace(local=None)


def trimmed(release: Tuple[int, ...]) -> Tuple[int, ...]:
    """A release without its trailing zeros."""
    end = len(release)
    while end and release[end - 1] == 0:
        end -= 1
    return release[:end]


def parse_version(text: str) -> Version:
    """Raises Invalid."""
    match = _VERSION.fullmatch(text.strip()) if len(text) < _LONGEST else None
    if match is None:
        raise Invalid("no version: %.60r" % text)
    part = match.group
    local = [int(word) if word.isdigit() else word.lower() for word in re.split(r"[-_.]", part("local") or "") if word]
    return Version(
        int(part("epoch") or 0),
        tuple(int(number) for number in part("release").split(".")),
        (_PRE[part("pre_l").lower()], int(part("pre_n") or 0)) if part("pre") else None,
        int(part("post_n1") or part("post_n2") or 0) if part("post") else None,
        int(part("dev_n") or 0) if part("dev") else None,
        tuple(local) or None,
    )


def _starts_with(have: Version, prefix: Version) -> bool:
    """`== 1.2.*`: the same epoch and the same first numbers."""
    padded = have.release + (0,) * (len(prefix.release) - len(have.release))
    return have.epoch == prefix.epoch and padded[: len(prefix.release)] == prefix.release


def _equal(have: Version, text: str) -> bool:
    if text.endswith(".*"):
        prefix = parse_version(text[:-2])
        if prefix.pre or prefix.post is not None or prefix.dev is not None or prefix.local:
            raise Invalid("no prefix: %.60r" % text)
        return _starts_with(have, prefix)
    want = parse_version(text)
    return (have if want.local else have.public()).key() == want.key()


def _compatible(have: Version, text: str) -> bool:
    want = parse_version(text)
    if len(want.release) < 2:
        raise Invalid("~= needs two numbers: %.60r" % text)
    head = Version(want.epoch, want.release[:-1], None, None, None, None)
    return have.public().key() >= want.key() and _starts_with(have, head)


def _less(have: Version, text: str) -> bool:
    """A pre-release of the bound itself is not below it."""
    want = parse_version(text)
    if have.key() >= want.key():
        return False
    before = have.pre is not None or have.dev is not None
    return not (before and want.pre is None and want.dev is None and _base(have) == _base(want))


def _greater(have: Version, text: str) -> bool:
    """Neither a post-release nor a local version of the bound is above it."""
    want = parse_version(text)
    if have.key() <= want.key():
        return False
    same = _base(have) == _base(want)
    return not (same and ((have.post is not None and want.post is None) or have.local is not None))


def _base(version: Version) -> _Part:
    return version.epoch, trimmed(version.release)


_COMPARE: Dict[str, Callable[[Version, str], bool]] = {
    "~=": _compatible,
    "==": _equal,
    "!=": lambda have, text: not _equal(have, text),
    "<=": lambda have, text: have.public().key() <= parse_version(text).key(),
    ">=": lambda have, text: have.public().key() >= parse_version(text).key(),
    "<": _less,
    ">": _greater,
}


def satisfies(version: str, specifiers: str) -> bool:
    """Is a version inside `>=1,<2` (pre-releases too)? Raises Invalid."""
    return all(_holds(version, operator, text) for operator, text in split_specifiers(specifiers))


def _holds(version: str, operator: str, text: str) -> bool:
    if operator == "===":
        return version.strip().lower() == text.lower()
    return _COMPARE[operator](parse_version(version), text)


def split_specifiers(text: str) -> List[Tuple[str, str]]:
    """`>=1,<2` as pairs. Raises Invalid."""
    found = []
    for piece in text.split(","):
        match = _SPECIFIER.fullmatch(piece)
        if match:
            found.append((match.group(1), match.group(2)))
        elif piece.strip():
            raise Invalid("no specifier: %.60r" % piece)
    return found


def exact(specifiers: str) -> Optional[str]:
    """The one version that a requirement admits (`==1.2`), or None."""
    try:
        pairs = split_specifiers(specifiers)
    except Invalid:
        return None
    return next((text for operator, text in pairs if operator in ("==", "===") and not text.endswith(".*")), None)


class Requirement(NamedTuple):
    """One Requires-Dist: normalised name, normalised extras, specifiers (`==1.2,<3`, empty for any or for a URL), marker."""

    name: str
    extras: Tuple[str, ...]
    specifiers: str
    marker: Optional[marker.Node]

    def applies(self, environment: Dict[str, str], extra: str = "") -> bool:
        """Whether it counts in an environment, for one extra (empty: for none). Raises Invalid."""
        if self.marker is None:
            return not extra
        scene = dict(environment, extra=extra)
        return self.marker.holds(scene, _holds)


def parse_requirement(text: str) -> Requirement:
    """`torch (==2.6.0) ; extra == "a"`, with and without parentheses. Raises Invalid."""
    match = _NAME.match(text)
    if match is None:
        raise Invalid("no requirement: %.60r" % text)
    extras = tuple(normalise(word.strip()) for word in (match.group(2) or "").split(",") if word.strip())
    rest = text[match.end() :]
    if rest.startswith("@"):
        head, _, condition = rest.partition(" ;")
        head = ""
    else:
        head, _, condition = rest.partition(";")
        head = head.strip()
        head = head[1:-1] if head.startswith("(") and head.endswith(")") else head
        split_specifiers(head)
    return Requirement(normalise(match.group(1)), extras, head.strip(), marker.parse(condition))
