"""Hosts wait for their wave, and are held where an earlier one failed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from pyinfra.api.exceptions import DeployError

from plan.settings import Settings
from tasks import rollout, workstation
from tasks.rollout import Rollout

WAVES = [["a"], ["b", "c"], ["d"]]


def turns(running: Rollout, *names: str) -> dict[str, Any]:
    found = {name: gevent.spawn(running.turn, name) for name in names}
    gevent.sleep(0)
    return found


def test_each_wave_waits_for_the_one_before() -> None:
    running = Rollout(WAVES, True, 0.34)
    waiting = turns(running, "b", "c", "d")
    assert not any(one.ready() for one in waiting.values())
    running.end("a", "well")
    gevent.sleep(0)
    assert [waiting[name].ready() for name in "bcd"] == [True, True, False]
    assert waiting["b"].get() is None
    running.end("b", "well")
    gevent.sleep(0)
    assert not waiting["d"].ready()
    running.end("c", "unreachable")
    assert waiting["d"].get(timeout=1) is None


def test_a_failed_canary_holds_all_others() -> None:
    running = Rollout(WAVES, True, 1.0)
    waiting = turns(running, "b", "d")
    running.end("a", "failed")
    assert [waiting[name].get(timeout=1) for name in "bd"] == ["the canary a failed"] * 2


def test_a_share_that_fails_holds_the_next_wave() -> None:
    running = Rollout(WAVES, True, 0.34)
    running.end("a", "well")
    running.end("b", "failed")
    waiting = turns(running, "d")
    assert not waiting["d"].ready()
    running.end("c", "well")
    assert "1 of 2 hosts failed" in waiting["d"].get(timeout=1)


def test_a_failure_is_never_taken_back() -> None:
    running = Rollout(WAVES, True, 0.34)
    running.end("a", "failed")
    running.end("a", "well")
    assert running.turn("b") == "the canary a failed"


@pytest.mark.parametrize(("second", "reason"), [(True, None), (False, "the canary a failed")])
def test_a_host_ends_with_its_last_operation(monkeypatch: pytest.MonkeyPatch, second: bool, reason: str | None) -> None:
    """deploy/gateway.py has two: the first alone says nothing about the canary."""
    running, one = Rollout(WAVES, True, 0.34), ws("a", canary=1)
    one.operations = 2
    monkeypatch.setattr(workstation, "_known", {"a": one})
    monkeypatch.setattr(rollout, "_running", [running])
    waiting = turns(running, "b")["b"]
    rollout.ended(one.host, True)
    gevent.sleep(0)
    assert not waiting.ready()
    rollout.ended(one.host, second)
    assert waiting.get(timeout=1) == reason


def ws(name: str, **settings: Any) -> Any:
    state = SimpleNamespace(inventory=[], is_host_in_limit=lambda _: True, config=SimpleNamespace(PARALLEL=10))
    host = SimpleNamespace(name=name, groups=["lab", "all"], state=state)
    state.inventory.append(host)
    more = {"operations": 1, "held": None, "unreachable": None, "__str__": lambda: name}
    return SimpleNamespace(host=host, settings=Settings(**settings), **more)


def test_a_lab_has_one_rollout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workstation, "_known", {"a": ws("a", canary=1)})
    with pytest.raises(DeployError, match=r"setting canary differs: 0 on .* 1 on .* with --data"):
        rollout.join(ws("b"))
    rollout.join(ws("b", canary=1))


def test_a_group_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workstation, "_known", {})
    rollout.join(ws("b", canary="lab"))
    with pytest.raises(
        DeployError, match=r"canary = 'labs' cannot be used: allowed is a number or a group of the inventory \(lab\)"
    ):
        rollout.join(ws("b", canary="labs"))


def test_fewer_at_once_than_hosts_would_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workstation, "_known", {})
    one = ws("b", wave=1)
    one.host.state.config.PARALLEL = 0
    with pytest.raises(DeployError, match="cannot be used with --serial or --parallel"):
        rollout.join(one)
    one.host.state.config.PARALLEL = 10
    rollout.join(one)
    monkeypatch.setattr("sys.argv", ["pyinfra", "--serial"])
    with pytest.raises(DeployError, match="cannot be used with --serial or --parallel"):
        rollout.join(one)
