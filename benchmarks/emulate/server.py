"""One `vllm serve`, in a process group of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from benchmarks.emulate.client import Client
from benchmarks.emulate.limits import Deadline, Groups

VLLM = [sys.executable, "-m", "vllm.entrypoints.cli.main"]
NAME = "openai/gpt-oss-20b"
EVERY_S = 0.25
GONE_S = 30
# What every start gets here unless the case says otherwise: no network, no flashinfer on the lent machine, lines as they are written.
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_USE_FLASHINFER_SAMPLER": "0",
}
ENVIRONMENT |= {"PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}


class StartFailed(Exception):
    """The server ended, or did not answer in time."""


@dataclass(frozen=True)
class Order:
    """How to start: the model's folder, how its weights come, and the program."""

    model: Path
    load_format: str = "dummy"
    program: list[str] = field(default_factory=lambda: VLLM)


@dataclass
class Server:
    """A started server."""

    process: subprocess.Popen[bytes]
    groups: Groups

    @classmethod
    def start(cls, command: list[str], environment: dict[str, str], log: Path, groups: Groups) -> Server:
        """Start it where no module of ours lies in the way of its own."""
        with log.open("wb") as out:
            child = subprocess.Popen(
                command, env=environment, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                start_new_session=True, cwd=log.parent,
            )  # fmt: skip
        groups.started.add(child.pid)
        return cls(child, groups)

    def ready(self, client: Client, deadline: Deadline) -> None:
        """Wait until it serves."""
        while not client.healthy():
            if (code := self.process.poll()) is not None:
                raise StartFailed(f"vllm ended with {code}")
            time.sleep(deadline.left(EVERY_S))

    def end(self, read: Callable[[], int], base: int, deadline: Deadline) -> bool:
        """Kill the whole group and wait until the GPU has its memory back; whether it has."""
        self.groups.kill(self.process.pid)
        self.process.wait()
        until = deadline.sooner(GONE_S)
        while read() > base + (64 << 20):
            if time.monotonic() > until.at:
                return False
            time.sleep(0.1)
        return True


def command(order: Order, flags: list[str], port: int) -> list[str]:
    """The whole command line."""
    told = ["--load-format", order.load_format, "--served-model-name", NAME, "--host", "127.0.0.1", "--port", str(port)]
    return [*order.program, "serve", str(order.model), *told, *flags]


def environment(order: Order, case_env: dict[str, str], gpu: int | None, plugin: bool) -> dict[str, str]:
    """The server's environment; `gpu` None leaves the choice of the GPU to the server."""
    made = {**os.environ, **ENVIRONMENT, **case_env}
    words = order.model / "tiktoken"
    made |= {"TIKTOKEN_ENCODINGS_BASE": str(words)} if words.is_dir() else {}
    made |= {"CUDA_VISIBLE_DEVICES": str(gpu)} if gpu is not None else {}
    if plugin:
        return made | {"PYTHONPATH": os.pathsep.join(filter(None, [str(_plugin()), made.get("PYTHONPATH")]))}
    return {name: value for name, value in made.items() if not name.startswith("VLLM_WORKSTATION_PLUGIN")}


@cache
def _plugin() -> Path:
    """Our plugin as the product installs it, in a folder of its own, so that runs without it do not see it."""
    from tasks import plugin

    folder = Path(tempfile.mkdtemp(prefix="plugin-"))
    zipfile.ZipFile(io.BytesIO(plugin.wheel())).extractall(folder)
    return folder
