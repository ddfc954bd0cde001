"""What the stand-in says: the capitals of France and Italy, else an echo."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any


def words(asked: dict[str, Any]) -> str:
    """The answer to the last user message."""
    said = [m.get("content") for m in asked.get("messages", []) if m.get("role") == "user"]
    last = said[-1] if said else ""
    if isinstance(last, list):
        last = " ".join(part.get("text", "") for part in last)
    for country, capital in (("France", "Paris"), ("Italy", "Rome")):
        if country in str(last):
            return f"The capital of {country} is {capital}."
    return f"You said: {last}"


def _head(asked: dict[str, Any], kind: str) -> dict[str, Any]:
    moment = time.time()
    return {
        "id": f"chatcmpl-standin{int(moment * 1e6):x}",
        "object": kind,
        "created": int(moment),
        "model": asked["model"],
    }


def _usage(asked: dict[str, Any]) -> dict[str, int]:
    prompt = len(str(asked.get("messages", ""))) // 4 + 1
    answer = len(words(asked)) // 4 + 1
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
    }


def completion(asked: dict[str, Any]) -> dict[str, Any]:
    """A chat.completion."""
    message = {"role": "assistant", "content": words(asked), "reasoning_content": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return {**_head(asked, "chat.completion"), "choices": [choice], "usage": _usage(asked)}


def chunks(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The chat.completion.chunk objects of a stream."""
    head = _head(asked, "chat.completion.chunk")
    deltas: list[tuple[dict[str, str], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": f"{word} "}, None) for word in words(asked).split()]
    deltas.append(({}, "stop"))
    for delta, reason in deltas:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        yield {**head, "choices": [choice]}
    if (asked.get("stream_options") or {}).get("include_usage"):
        yield {**head, "choices": [], "usage": _usage(asked)}
