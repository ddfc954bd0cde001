"""`vllm --version` and `vllm serve`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from argparse import Namespace

from . import __version__
from .options import parse
from .server import Server

WORKER = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(86400)"


def main() -> int:
    """The console script."""
    words = sys.argv[1:]
    if words[:1] in (["--version"], ["-v"]):
        print(__version__)
        return 0
    if words[:1] == ["serve"]:
        return serve(parse(words[1:]))
    print("usage: vllm [-h] [-v] {chat,complete,serve,bench,collect-env,run-batch} ...")
    return 0 if words[:1] in ([], ["-h"], ["--help"]) else 2


def log(text: str) -> None:
    """As vLLM logs."""
    moment = time.strftime("%m-%d %H:%M:%S")
    print(f"(APIServer pid={os.getpid()}) INFO {moment} [standin.py:1] {text}", flush=True)


def serve(options: Namespace) -> int:
    """Start up as vLLM does, with one worker process, and answer until SIGTERM."""
    model = options.model_tag or options.model or "Qwen/Qwen3-0.6B"
    log(f"vLLM API server version {__version__}")
    log(f"non-default args: {{'model': '{model}'}}")
    if failure := os.environ.get("STANDIN_FAIL"):
        print(failure, file=sys.stderr, flush=True)
        return 1
    name = ["VLLM::EngineCore", "-c", WORKER]
    worker = subprocess.Popen(name, executable=os.path.realpath(sys.executable))

    def leave(*_: object) -> None:
        worker.kill()
        worker.wait()
        log("Shutting down")
        os._exit(0)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    try:
        _start_up(options, model)
    except OSError as error:
        worker.kill()
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    return 0


def _start_up(options: Namespace, model: str) -> None:
    names = options.served_model_name or [model]
    keys = options.api_key or [k for k in [os.environ.get("VLLM_API_KEY")] if k]
    server = Server(options.host or "", int(options.port or 8000), names, keys)
    server.max_model_len = int(float(options.max_model_len or 131072))
    time.sleep(float(os.environ.get("STANDIN_START_SECONDS", "1")))
    log("Model loading took 12.83 GiB and 7.10 seconds")
    log("Available KV cache memory: 3.12 GiB")
    log("GPU KV cache size: 68,160 tokens")
    log(f"Starting vLLM API server 0 on http://{options.host or '0.0.0.0'}:{options.port or 8000}")
    server.listen()
    print("INFO:     Application startup complete.", file=sys.stderr, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
