"""Clients of an endpoint: `python load.py HOST PORT CAFILE SECONDS CLIENTS`, the key in KEY; one JSON line a request.

Each client asks one question after another over a connection that it keeps, as OpenAI's SDK does.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import sys
import threading
import time
from typing import Any

BODY = {"model": "SmolLM2-135M-Instruct", "messages": [{"role": "user", "content": "Count to five."}], "max_tokens": 8}


def ask(connection: http.client.HTTPSConnection, stream: bool) -> tuple[int, str]:
    """(status, whole text) of one request."""
    headers = {"Authorization": "Bearer " + os.environ["KEY"], "Content-Type": "application/json"}
    connection.request("POST", "/v1/chat/completions", json.dumps({**BODY, "stream": stream}), headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def client(host: str, port: int, context: ssl.SSLContext, until: float, number: int) -> None:
    """Ask until it is time; an answer that is cut is a failure."""
    connection = http.client.HTTPSConnection(host, port, timeout=120, context=context)
    while time.time() < until:
        since, stream = time.time(), number % 2 == 1
        told: dict[str, Any] = {"began": since, "stream": stream}
        try:
            status, text = ask(connection, stream)
            whole = text.rstrip().endswith("data: [DONE]") if stream else bool(json.loads(text).get("choices"))
            told |= {"status": status, "ok": status == 200 and whole, "said": "" if whole else text[-200:]}
        except (OSError, http.client.HTTPException, ValueError) as error:
            told |= {"status": 0, "ok": False, "said": f"{type(error).__name__}: {error}"}
            connection.close()
        sys.stdout.write(json.dumps({**told, "ended": time.time()}) + "\n")  # in one piece: others write too
        sys.stdout.flush()


def main() -> None:
    """All clients at once."""
    host, port, ca, seconds, clients = sys.argv[1:]
    context = ssl.create_default_context(cafile=ca)
    until = time.time() + float(seconds)
    threads = [
        threading.Thread(target=client, args=(host, int(port), context, until, number))
        for number in range(int(clients))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
