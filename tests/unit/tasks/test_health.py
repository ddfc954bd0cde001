"""This machine's own server is asked straight, whatever proxy the site has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tasks.remote import drain, health
from tests.unit.tasks import answering

METRICS = b'vllm:num_requests_running{model="a"} 2.0\nvllm:num_requests_waiting{model="a"} 1.0\n'


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A server that answers, on a machine whose proxy does not."""

    def answer(request: Any) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(METRICS)))
        request.end_headers()
        request.wfile.write(METRICS)

    server = answering.serve(answer)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    yield {"host": "0.0.0.0", "port": server.server_port}
    server.shutdown()


def test_a_server_behind_a_proxy_is_asked_straight(plan: dict[str, Any]) -> None:
    assert health.own(plan) is True and drain.running(plan) == 3


def test_nobody_there(plan: dict[str, Any]) -> None:
    assert health.own({"host": "127.0.0.1", "port": 9}) is False and drain.running({"host": "::", "port": 9}) is None
