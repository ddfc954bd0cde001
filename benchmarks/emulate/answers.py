"""Whether two servers give the same answers: greedy tokens and their log-probabilities."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.emulate.client import Client, prompt

PROMPTS, TOKENS, PROMPT_TOKENS = 8, 64, 96
Answers = list[dict[str, Any]]


def ask(client: Client) -> Answers:
    """Token ids and log-probabilities of fixed prompts, one at a time, greedy."""
    found = []
    for number in range(PROMPTS):
        order = client.order(prompt(f"answer {number}", PROMPT_TOKENS), TOKENS)
        order |= {"temperature": 0, "logprobs": 1, "return_tokens_as_token_ids": True}
        told = client.post("/v1/completions", order)["choices"][0]["logprobs"]
        ids = [int(token.removeprefix("token_id:")) for token in told["tokens"]]
        found.append({"tokens": ids, "logprobs": told["token_logprobs"]})
    return found


def keep(path: Path, case: str, answers: Answers) -> int:
    """Add a case's answers to a file; how many tokens they are."""
    held = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**held, case: answers}))
    return sum(len(answer["tokens"]) for answer in answers)


def read(where: str) -> Answers:
    """The answers at FILE, or FILE:CASE where the file has several cases."""
    name, _, case = where.partition(".json:")
    held = json.loads(Path(f"{name}.json" if case else where).read_text())
    if not case and len(held) != 1:
        raise ValueError(f"{where} has {', '.join(held)}: name one, as {where}:{next(iter(held), 'CASE')}")
    found: Answers = held[case] if case else next(iter(held.values()))
    return found


def differences(one: Answers, other: Answers) -> tuple[list[str], float]:
    """The first difference of each prompt, and the largest difference of log-probabilities while the tokens are the same."""
    lines = [] if len(one) == len(other) else [f"{len(one)} prompts against {len(other)}"]
    largest = 0.0
    for number, (left, right) in enumerate(zip(one, other, strict=False)):
        at = _first(left["tokens"], right["tokens"])
        if at is not None:
            lines.append(
                f"prompt {number}, token {at}: {left['tokens'][at : at + 1]} against {right['tokens'][at : at + 1]}"
            )
        pairs = zip(left["logprobs"][:at], right["logprobs"][:at], strict=False)
        largest = max([largest, *(abs(a - b) for a, b in pairs)])
    return lines, largest


def _first(left: list[int], right: list[int]) -> int | None:
    if left == right:
        return None
    return next(
        (n for n, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]), min(len(left), len(right))
    )


def compare(one: str, other: str) -> int:
    """Print what differs; 0 where every token is the same."""
    left, right = read(one), read(other)
    lines, largest = differences(left, right)
    count = sum(len(answer["tokens"]) for answer in left)
    print("\n".join(lines) or f"the same {count} tokens in {len(left)} answers")
    print(f"largest difference of log-probabilities: {largest:.6g}")
    return 1 if lines or not count else 0
