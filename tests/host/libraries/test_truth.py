"""The library checker against the truth table, on real torch wheels: table, reality and verdict must agree.

Reality is measured now, in children, two at a time. By default for the rows marked `quick` (torch 2.6.0, every verdict and cause); with
--whole or VLLM_WORKSTATION_WHOLE_TABLE=1 for all rows. Base venvs: see wheels.py; made here where the environment names none.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from . import build, checker, reality, table, wheels

pytestmark = pytest.mark.host
TABLE = table.load()
WHOLE = "VLLM_WORKSTATION_WHOLE_TABLE"
AT_ONCE = 2


@dataclass(frozen=True)
class Measured:
    """A case as it really is, and as the checker sees it."""

    real: reality.Reality
    said: checker.Answer
    hashed: str  # the verdict with --hash, where the table has one


def _measure(store: wheels.Store, case: table.Case, folder: Path) -> Measured:
    clone = build.make(store, case, folder)
    try:
        hashed = checker.ask(clone, "--hash").verdict if case.hashed else ""
        return Measured(reality.measure(clone), checker.ask(clone), hashed)
    finally:
        build.remove(clone)


def _whole(config: pytest.Config) -> bool:
    return bool(os.environ.get(WHOLE) or config.getoption("--whole", default=False))


def _wanted(session: pytest.Session) -> list[table.Case]:
    """The cases of the tests that this session runs, once each, in their order."""
    found = [
        item.callspec.params.get("case")
        for item in session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
    ]
    cases = dict.fromkeys(case for case in found if isinstance(case, table.Case))
    return [case for case in cases if case.quick or _whole(session.config)]


def _root() -> Path:
    """On the file system of the given base venvs, since clones are hard links."""
    given = os.environ.get(wheels.VENVS)
    return Path(tempfile.mkdtemp(prefix="truth-", dir=given or None))


@pytest.fixture(scope="session")
def measured(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Measured]]]:
    """Every wanted case, being measured; skipped, with the reason, where the registry cannot be reached."""
    root = _root()
    cases = _wanted(request.session)
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        store = wheels.Store(root, TABLE)
        for name in sorted({case.base for case in cases}):
            store.base(name)
        (root / "cases").mkdir()
        yield {case.name: pool.submit(_measure, store, case, root / "cases") for case in cases}
    except wheels.Unavailable as reason:
        pytest.skip(f"no base venv of real torch: {reason}")
    finally:
        pool.shutdown(cancel_futures=True)
        build.away(root)


@pytest.fixture
def one(case: table.Case, request: pytest.FixtureRequest) -> Measured:
    """This case."""
    if not case.quick and not _whole(request.config):
        pytest.skip(f"not of the short run: --whole or {WHOLE}=1 measures it")
    found: Future[Measured] = request.getfixturevalue("measured")[case.name]
    return found.result()


every = pytest.mark.parametrize("case", TABLE.cases, ids=lambda case: case.name)


@every
def test_case(case: table.Case, one: Measured) -> None:
    """Reality is as the table says, the verdict is reality's, and libraries come from where the checker says."""
    assert case.imports.agrees(one.real.imports), f"the table says {case.imports}, really: {one.real.imports}"
    if case.later:
        assert case.later.agrees(one.real.later), f"the table says {case.later}, really: {one.real.later}"
    assert one.said.verdict == checker.expected(case, one.real), checker.described(one.said)
    assert one.hashed == case.hashed
    assert not checker.misresolved(one.said, one.real)
    assert not checker.unmapped(one.real)


def test_short_run_has_every_kind() -> None:
    """The short run has all four verdicts, both causes, and damage that only --hash sees; all on one base."""
    short = [case for case in TABLE.cases if case.quick]
    assert {case.verdict for case in short} == set(checker.EXIT)
    assert {case.base for case in short} == {"t26"}
    assert any("unset LD_LIBRARY_PATH" in case.repair for case in short)
    assert any(case.do and not case.ld and case.repair for case in short)
    assert any(case.hashed for case in short)


@every
def test_row(case: table.Case) -> None:
    """A row is consistent in itself: what fails has its verdict and a repair, and only what a GPU would show is left open."""
    by_table = "import-fails" if case.imports.fails else "runtime-fails" if case.later and case.later.fails else ""
    assert case.verdict == by_table or (not by_table and (case.unseen or case.verdict in ("ok", "drift")))
    assert (case.later is None) == case.imports.fails
    assert case.repair or case.verdict in ("ok", "drift")
    assert all(step.split()[0] in build.STEPS for step in (*case.do, *case.repair))
