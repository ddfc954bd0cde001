"""What vLLM's log tells: the stage of the start, the parts of the memory, the reason of a failure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# In this order; a line that matches begins the stage. `ready` and `measured` are set by the runner.
STAGES = {
    "launch": r"",
    "init": r"Initializing a V1 LLM engine",
    "load": r"Starting to load model",
    "profile": r"Model loading took",
    "cache": r"GPU KV cache size|Available KV cache memory|memory for KV Cache as specified",
    "graphs": r"Capturing CUDA graphs|Graph capturing",
    "warmup": r"Graph capturing finished|init engine .*took",
    "serving": r"Application startup complete",
}
NUMBERS = {
    "weights_gib": r"Model loading took (-?[\d.]+) GiB",
    "load_s": r"Model loading took .*? and ([\d.]+) seconds",
    "kv_gib": r"Available KV cache memory: (-?[\d.]+) GiB",
    "kv_reserved_gib": r"reserved ([\d.]+) GiB memory for KV Cache",
    "initial_free_gib": r"Initial free memory ([\d.]+) GiB",
    "kv_tokens": r"GPU KV cache size: ([\d,]+) tokens",
    "graphs_gib": r"Graph capturing finished in .*?took (-?[\d.]+) GiB",
    "offloaded_gib": r"Total CPU offloaded parameters: ([\d.]+)",
    "engine_init_s": r"init engine .*?took ([\d.]+) s",
}
WORDS = {
    "moe": r"Using '?(\w+)'? Mxfp4",
    "attention": r"Using (?:AttentionBackendEnum\.)?(\w+) (?:attention )?backend",
    "concurrency": r"Maximum concurrency for .*?: ([\d.]+x)",
}
PLUGIN = "vllm-workstation-plugin:"
ERROR = re.compile(r"(\w*Error\b|error:|\bERROR\b.*(?:memory|failed)|out of memory)")
NOISE = re.compile(r"See root cause above|Found ulimit of|Failed core proc|shutdown|resource_tracker")
ERRORS = 5
WIDTH = 300


@dataclass
class Follower:
    """Reads a growing log and knows the stage that the start is in."""

    path: Path
    stage: str = "launch"
    _offset: int = 0
    _rest: bytes = b""
    _names: list[str] = field(default_factory=lambda: list(STAGES))

    def poll(self) -> str:
        """The stage after what was written since."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                new = file.read()
        except OSError:
            return self.stage
        self._offset += len(new)
        lines = (self._rest + new).replace(b"\r", b"\n").split(b"\n")
        self._rest = lines.pop()[-4000:]
        for line in lines:
            self._take(line.decode(errors="replace"))
        return self.stage

    def _take(self, line: str) -> None:
        """Only forwards: a later stage never falls back."""
        if self.stage not in self._names:
            return
        for name in self._names[: self._names.index(self.stage) : -1]:
            if re.search(STAGES[name], line):
                self.stage = name
                return


def facts(text: str) -> dict[str, Any]:
    """What the log says; GiB, seconds, tokens. Absent where it says nothing."""
    found: dict[str, Any] = {}
    for name, pattern in NUMBERS.items():
        if match := re.search(pattern, text):
            found[name] = float(match[1].replace(",", ""))
    for name, pattern in WORDS.items():
        if match := re.search(pattern, text):
            found[name] = match[1]
    if "kv_tokens" in found:
        found["kv_tokens"] = int(found["kv_tokens"])
    if lines := [line.partition(PLUGIN)[2].strip() for line in text.splitlines() if PLUGIN in line and "GiB" in line]:
        found["plugin"] = list(dict.fromkeys(lines))
    return found


def errors(text: str) -> list[str]:
    """The last lines that tell of an error, each once, without what every failed start says."""
    told = [_bare(line) for line in text.splitlines() if ERROR.search(line) and not NOISE.search(line)]
    return list(dict.fromkeys(told))[-ERRORS:]


def _bare(line: str) -> str:
    """Without vLLM's prefix (process, level, time, file)."""
    return re.sub(r"^(\(\w+[^)]*\) )?((ERROR|WARNING|INFO) [\d-]+ [\d:.]+ )?(\[[^\]]+\] )?", "", line).strip()[-WIDTH:]
