"""What a user of the server would see: tokens a second, the first token, an answer."""

from __future__ import annotations

import http.client
import json
import random
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from benchmarks.emulate.limits import Deadline

REQUEST_S = 120  # the longest that one request may take
WARM, SHORT, LONG = 16, 8, 136  # tokens; the rate is that of the 128 between the last two
STREAMS, STREAM_TOKENS = 8, 64
PROMPT, LONG_PROMPT = 64, 2000  # tokens
VOCABULARY = range(1000, 190_000)


@dataclass(frozen=True)
class Client:
    """One server. Every wait ends at the deadline."""

    base: str
    model: str
    deadline: Deadline
    key: str = ""
    temperature: float = 0.0

    def open(self, path: str, body: dict[str, Any] | None = None, most: float = REQUEST_S) -> Any:
        """A response to read from; raises OSError where there is none."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.base + path, data, headers)
        return urllib.request.urlopen(request, timeout=self.deadline.left(most))

    def healthy(self) -> bool:
        """Whether the server says that it serves."""
        try:
            with self.open("/health", most=2) as response:
                return bool(response.status == 200)
        except (OSError, http.client.HTTPException):
            return False

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """One request and its JSON."""
        with self.open(path, body) as response:
            answer: dict[str, Any] = json.load(response)
        return answer

    def order(self, prompt: list[int], tokens: int, **more: Any) -> dict[str, Any]:
        """A completion of exactly so many tokens."""
        order = {"model": self.model, "prompt": prompt, "max_tokens": tokens, "ignore_eos": True}
        return {**order, "temperature": self.temperature, **more}

    def complete(self, prompt: list[int], tokens: int, **more: Any) -> tuple[float, int]:
        """Seconds and the tokens that came."""
        since = time.perf_counter()
        answer = self.post("/v1/completions", self.order(prompt, tokens, **more))
        return time.perf_counter() - since, int(answer["usage"]["completion_tokens"])


def prompt(seed: str, tokens: int = PROMPT) -> list[int]:
    """Token ids that no other seed gives: a cached prefix would falsify a first token."""
    chosen = random.Random(seed)
    return [chosen.choice(VOCABULARY) for _ in range(tokens)]


def one_stream(client: Client, seed: str = "one") -> float:
    """Tokens/s of one stream: the difference of two lengths, so that neither prompt nor connection counts."""
    ids = prompt(seed)
    client.complete(ids, WARM)
    short_s, short = client.complete(ids, SHORT)
    long_s, long = client.complete(ids, LONG)
    return (long - short) / (long_s - short_s)


def streams(client: Client, count: int = STREAMS, tokens: int = STREAM_TOKENS) -> float:
    """Tokens/s of several streams together, their prompts counted in."""

    def together(label: str, length: int) -> float:
        since = time.perf_counter()
        with ThreadPoolExecutor(count) as pool:
            done = pool.map(lambda n: client.complete(prompt(f"{label} {n}"), length)[1], range(count))
            return sum(done) / (time.perf_counter() - since)

    together("warm", 4)
    return together("streams", tokens)


def first_token(client: Client, tokens: int = LONG_PROMPT) -> tuple[float, float]:
    """Seconds until the first token after a prompt that is not cached: the first such prompt, and the second."""
    first, second = (_first(client, prompt(f"first token {time.time_ns()}", tokens)) for _ in range(2))
    return first, second


def _first(client: Client, ids: list[int]) -> float:
    since = time.perf_counter()
    with client.open("/v1/completions", client.order(ids, 1, stream=True)) as response:
        for line in response:
            if line.startswith(b"data:") and b'"choices"' in line:
                break
        else:
            raise ValueError("a stream without a token")
        seconds = time.perf_counter() - since
        response.read()
    return seconds


def chat(client: Client) -> str:
    """The end of a chat and its text; with random weights only the first means anything."""
    body = {"model": client.model, "messages": [{"role": "user", "content": "What is the capital of France?"}]}
    answer = client.post("/v1/chat/completions", {**body, "max_tokens": 16, "temperature": 0})
    choice = answer["choices"][0]
    return f"{choice['finish_reason']}: {(choice['message'].get('content') or '')[:60]}"
