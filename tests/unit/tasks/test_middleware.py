"""The default reasoning effort, as the ASGI application that vLLM loads."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.recorded import REPOSITORY

CHAT = "/v1/chat/completions"


@pytest.fixture
def middleware(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
    """The class out of the file that lies on the target, with the effort set to low."""
    monkeypatch.setenv("VLLM_WORKSTATION_REASONING_EFFORT", "low")
    spec = importlib.util.spec_from_file_location(
        "vllm_workstation_defaults", REPOSITORY / "tasks/templates/vllm_workstation_defaults.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: Callable[[Any], Any] = module.ReasoningEffort
    return made


def ask(
    middleware: Callable[[Any], Any],
    chunks: list[bytes],
    path: str = CHAT,
    kind: str = "http",
    disconnect: bool = False,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(scope, messages) that the application behind it gets for a body that arrives in these chunks."""
    got: list[dict[str, Any]] = []
    scopes: list[dict[str, Any]] = []
    messages = [
        {"type": "http.request", "body": chunk, "more_body": n + 1 < len(chunks) or disconnect}
        for n, chunk in enumerate(chunks)
    ]
    messages.append({"type": "http.disconnect"})

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        scopes.append(scope)
        while not got or got[-1].get("more_body"):
            got.append(await receive())

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None: ...

    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % sum(map(len, chunks)))]
    asyncio.run(middleware(app)({"type": kind, "path": path, "headers": headers}, receive, send))
    return scopes[0], got


def test_a_request_without_effort_gets_it(middleware: Callable[[Any], Any]) -> None:
    scope, (message,) = ask(
        middleware, [json.dumps({"model": "m", "messages": [{"role": "user", "content": "é"}]}).encode()]
    )
    assert json.loads(message["body"]) == {
        "model": "m",
        "messages": [{"role": "user", "content": "é"}],
        "reasoning_effort": "low",
    }
    assert dict(scope["headers"]) == {
        b"content-type": b"application/json",
        b"content-length": b"%d" % len(message["body"]),
    }
    assert message["more_body"] is False


def test_a_body_in_pieces(middleware: Callable[[Any], Any]) -> None:
    _, (message,) = ask(middleware, [b'{"mod', b"", b'el": "m"}'])
    assert json.loads(message["body"]) == {"model": "m", "reasoning_effort": "low"}


DEEP = b"[" * 100_000
KEPT = [
    b'{"reasoning_effort": "high"}',
    b'{"reasoning_effort": null}',
    b"[1]",
    b"",
    b"{cut",
    b"\xff\xfe",
    b'"text"',
    b"null",
    DEEP,
]


@pytest.mark.parametrize("body", KEPT, ids=lambda body: repr(body[:30]))
def test_what_is_kept_as_it_is(body: bytes, middleware: Callable[[Any], Any]) -> None:
    scope, (message,) = ask(middleware, [body])
    assert message["body"] == body
    assert dict(scope["headers"])[b"content-length"] == b"%d" % len(body)


@pytest.mark.parametrize(
    ("path", "kind"), [("/v1/completions", "http"), ("/v1/models", "http"), (CHAT + "/x", "http"), (CHAT, "websocket")]
)
def test_other_paths_are_not_touched(path: str, kind: str, middleware: Callable[[Any], Any]) -> None:
    _, messages = ask(middleware, [b'{"a":', b" 1}"], path, kind)
    assert [message["body"] for message in messages] == [b'{"a":', b" 1}"]


def test_a_client_that_leaves_reaches_the_application_as_such(middleware: Callable[[Any], Any]) -> None:
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": b'{"a"', "more_body": True},
        {"type": "http.disconnect"},
        {"type": "http.disconnect"},
    ]
    got: list[dict[str, Any]] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        got.append(await receive())

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    asyncio.run(middleware(app)({"type": "http", "path": CHAT, "headers": []}, receive, receive))
    assert got == [{"type": "http.disconnect"}]
