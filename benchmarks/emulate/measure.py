"""One case from start to end: what it took, GiB by part, tokens/s, and where it failed."""

from __future__ import annotations

import http.client
import re
import threading
import time
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.emulate import answers, client, logs, server
from benchmarks.emulate.ballast import Ballast
from benchmarks.emulate.cases import Case, scaled
from benchmarks.emulate.client import Client
from benchmarks.emulate.gpu import GIB, Watch
from benchmarks.emulate.limits import Deadline, Groups, OutOfTime

KV_FLAG = re.compile(r"--kv-cache-memory(?:-bytes)?[= ](\d+)")
FAILURES = (OSError, ValueError, KeyError, IndexError, http.client.HTTPException, OutOfTime)


@dataclass
class Rig:
    """One GPU (None: no ballast, the card is what it is), its ballast, its port; what the speed of others must not meet is locked."""

    gpu: int | None
    read: Callable[[], int]
    ballast: Ballast | None
    groups: Groups
    work: Path
    port: int = 8000
    speed: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class How:
    """What is measured, and for how long a start is waited for, seconds."""

    order: server.Order
    start_s: float = 170
    temperature: float = 0.0
    answers: Path | None = None
    only_start: bool = False


def run(case: Case, rig: Rig, how: How, deadline: Deadline) -> dict[str, Any]:
    """The result of one case; never raises for what the case does."""
    result: dict[str, Any] = {"ok": False}
    share = 1.0
    if rig.ballast:
        result["free_before_gib"] = round(rig.ballast.leave(case.free_gib), 3)
        result["pcie_gb_s"] = rig.ballast.pcie_gb_s
        share = case.total / rig.ballast.total_gib
    flags = scaled(case.flags, share) if rig.ballast else case.flags
    log = rig.work / f"{case.name}.log"
    follower = logs.Follower(log)
    watch = Watch(rig.read, follower.poll)
    watch.start()
    words = server.command(how.order, flags, rig.port)
    environment = server.environment(how.order, case.env, rig.gpu, case.plugin == "on")
    since = time.monotonic()
    started = server.Server.start(words, environment, log, rig.groups)
    made = Client(f"http://127.0.0.1:{rig.port}", server.NAME, deadline, temperature=how.temperature)
    try:
        started.ready(made, deadline.sooner(how.start_s))
        result |= {"ok": True, "start_s": round(time.monotonic() - since, 1)}
        follower.stage = "measured"
        _speeds(made, case, rig, how, result)
    except (server.StartFailed, OutOfTime) as error:
        result |= {"failed_after_s": round(time.monotonic() - since, 1), "failure": str(error) or "the time was up"}
    watch.stop()
    result |= {"stage": follower.stage, "freed": started.end(rig.read, watch.base, deadline)}
    _told(result, case, log, watch)
    return result


def _speeds(made: Client, case: Case, rig: Rig, how: How, result: dict[str, Any]) -> None:
    """Each measure by itself: one that fails leaves the others. A dead server ends them."""
    with rig.speed:
        if not how.only_start:
            _try(result, "tok_s_1", lambda: round(client.one_stream(made), 1))
            _try(result, "tok_s_8", lambda: round(client.streams(made), 1))
            _try(result, "ttft_2k", lambda: [round(seconds, 3) for seconds in client.first_token(made)])
            _try(result, "chat", lambda: client.chat(made))
        if path := how.answers:
            _try(result, "answers", lambda: answers.keep(path, case.name, answers.ask(made)))
    if "ttft_2k" in result:
        result["ttft_2k_first_s"], result["ttft_2k_s"] = result.pop("ttft_2k")


def _try(result: dict[str, Any], name: str, action: Callable[[], Any]) -> None:
    try:
        result[name] = action()
    except FAILURES as error:
        body = error.read(300).decode(errors="replace") if isinstance(error, urllib.error.HTTPError) else ""
        result.setdefault("failed", {})[name] = f"{type(error).__name__}: {error} {body}"[:400]


def _told(result: dict[str, Any], case: Case, log: Path, watch: Watch) -> None:
    """Add what the log and the samples say."""
    text = log.read_text(errors="replace")
    found = logs.facts(text)
    result |= {"log": found, "peaks_gib": watch.gib(), "samples": watch.samples}
    result["load_peak_gib"] = max((watch.gib().get(stage, 0.0) for stage in ("launch", "init", "load")), default=0.0)
    result["peak_gib"] = max(watch.gib().values(), default=0.0)
    if result["ok"]:
        result["memory_gib"] = parts(case, found, watch)
        result["kv_tokens"] = found.get("kv_tokens")
    else:
        result["errors"] = logs.errors(text)
        result["log_end"] = [line[-300:] for line in text.splitlines()[-6:]]


def parts(case: Case, found: dict[str, Any], watch: Watch) -> dict[str, float]:
    """GiB in steady state: what the log names, the context as vLLM's first look or the samples before the load, the rest as activations."""
    told = KV_FLAG.search(" ".join(case.flags))
    kv = int(told[1]) / GIB if told else found.get("kv_gib", 0.0)
    steady = watch.last / GIB
    first = found.get("initial_free_gib")
    context = case.free_gib - first if first else watch.gib().get("init", 0.0)
    named = {"context": context, "weights": found.get("weights_gib", 0.0)}
    named |= {"graphs": found.get("graphs_gib", 0.0), "kv": kv}
    rest = {"activations": steady - sum(named.values()), "reserve": case.free_gib - watch.peaks_most() / GIB}
    return {name: round(value, 3) for name, value in {**named, **rest, "steady": steady}.items()}
