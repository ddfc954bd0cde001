"""vLLM middleware: a default reasoning effort for clients that name none (gpt-oss has no server option for it)."""

from __future__ import annotations

import json
import os
from typing import Any

PATHS = ("/v1/chat/completions",)


class ReasoningEffort:
    """ASGI middleware that adds `reasoning_effort` to chat requests without one."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.effort = os.environ.get("VLLM_WORKSTATION_REASONING_EFFORT", "medium")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Pass everything on; only the body of a chat request may change."""
        if scope["type"] != "http" or scope["path"] not in PATHS:
            return await self.app(scope, receive, send)
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return await self.app(scope, receive, send)
            body, more = body + message.get("body", b""), message.get("more_body", False)
        body = self.with_default(body)
        scope = dict(
            scope,
            headers=[(k, v) for k, v in scope["headers"] if k != b"content-length"]
            + [(b"content-length", b"%d" % len(body))],
        )
        pending = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Any:
            return pending.pop() if pending else await receive()

        return await self.app(scope, replay, send)

    def with_default(self, body: bytes) -> bytes:
        """The body with the effort filled in; anything that is no JSON object stays as it is."""
        try:
            request = json.loads(body)
        except (ValueError, RecursionError):
            return body
        if not isinstance(request, dict) or "reasoning_effort" in request:
            return body
        return json.dumps(dict(request, reasoning_effort=self.effort)).encode()
