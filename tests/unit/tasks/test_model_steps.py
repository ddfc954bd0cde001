"""A model that is fetched in the background: what its job said is told, however early it ended."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tasks import model, progress


@pytest.mark.parametrize("executing", [True, False])
def test_what_the_job_said_is_told(executing: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have gone around the cache, and be done before the release is built."""
    there = [False]
    weights = SimpleNamespace(kind="hub", model_dump=lambda **_: {})
    host = SimpleNamespace(state=SimpleNamespace(is_executing=executing), noop=lambda _: None)
    ws: Any = SimpleNamespace(
        host=host, plan=SimpleNamespace(refusals=[], model=weights), fetching=False, root="/r", cache="", forget=lambda: None
    )
    monkeypatch.setattr(model, "host", host)
    monkeypatch.setattr(model, "_done", lambda _: there[0])
    followed: list[str] = []
    monkeypatch.setattr(progress, "follow", lambda _, job, __: iter(followed.append(job) or ()))  # type: ignore[func-returns-value]
    started: Any = model.started
    present: Any = model.present
    assert len(list(started._inner(ws))) == 1
    there[0] = True
    list(present._inner(ws))
    assert followed == (["weights"] if executing else [])
    list(present._inner(ws))
    assert len(followed) <= 1
