"""Stands in for vLLM: takes its command line, prints a recorded log, serves its API. FAKE_FAIL and FAKE_SHIFT change what it does."""

from __future__ import annotations

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LOG = (HERE / "recorded-start.txt").read_text()  # 11 GiB, plugin on, 2026-11-23
OUT_OF_MEMORY = (HERE / "recorded-out-of-memory.txt").read_text()


class Api(BaseHTTPRequestHandler):
    """Health, completions by token ids, chats."""

    def log_message(self, *words: Any) -> None:
        """Silent."""

    def do_GET(self) -> None:
        """Health."""
        self._send(b"")

    def do_POST(self) -> None:
        """A completion takes 1 ms a token; its tokens follow from the prompt."""
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("chat/completions"):
            return self._json({"choices": [{"finish_reason": "length", "message": {"content": None}}]})
        count = order["max_tokens"]
        time.sleep(count / 1000)
        if order.get("stream"):
            return self._send(b'data: {"choices": [{"text": "a"}]}\n\ndata: [DONE]\n\n')
        ids = [(order["prompt"][0] + n) % 1000 for n in range(count)]
        ids[-1] += int(os.environ.get("FAKE_SHIFT", "0"))
        told = {"tokens": [f"token_id:{n}" for n in ids], "token_logprobs": [-0.5] * count}
        return self._json({"choices": [{"text": "", "logprobs": told}], "usage": {"completion_tokens": count}})

    def _json(self, answer: Any) -> None:
        self._send(json.dumps(answer).encode())

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main(words: list[str]) -> None:
    """Serve, or fail as the environment says."""
    if os.environ.get("FAKE_FAIL") == "memory":
        sys.exit(OUT_OF_MEMORY)
    print(LOG, flush=True)
    if os.environ.get("FAKE_FAIL") == "hang":
        time.sleep(600)
    ThreadingHTTPServer(("127.0.0.1", int(words[words.index("--port") + 1])), Api).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
