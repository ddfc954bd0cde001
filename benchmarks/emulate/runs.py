"""All cases of a run, on one GPU or several, within its time."""

from __future__ import annotations

import argparse
import dataclasses
import queue
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.emulate import cases, gpu, measure, server
from benchmarks.emulate.ballast import Ballast
from benchmarks.emulate.limits import Deadline, Groups
from benchmarks.emulate.record import Record

LEAST_S = 45  # a case is not begun with less time left than this, or than the shortest took
END_S, HARD_END_S = 15, 4  # before the limit: nothing is waited for any more; everything is killed


def one(
    case: cases.Case, rig: measure.Rig, how: measure.How, deadline: Deadline, machine: cases.Described
) -> dict[str, Any]:
    """The row of one case, planned and measured."""
    since = time.monotonic()
    try:
        case = cases.resolved(case, machine)
        refused = (case.plan or {}).get("refused")
        found = {"ok": False, "stage": "plan", "refused": refused} if refused else measure.run(case, rig, how, deadline)
    except Exception as error:  # the next case may do better
        found = {"ok": False, "stage": "runner", "failure": f"{type(error).__name__}: {error}"[:300]}
    return {**dataclasses.asdict(case), "total_gib": case.total, **found, "took_s": round(time.monotonic() - since, 1)}


def work(
    todo: queue.Queue[cases.Case],
    rig: measure.Rig,
    how: measure.How,
    deadline: Deadline,
    record: Record,
    machine: cases.Described,
) -> None:
    """Take cases until there are none, or no time for another."""
    while not todo.empty():
        try:
            case = todo.get_nowait()
        except queue.Empty:
            return
        least = min([row["took_s"] for row in record.rows if row.get("ok")], default=LEAST_S)
        if deadline.at - time.monotonic() < max(least, LEAST_S):
            record.add({**dataclasses.asdict(case), "ok": False, "stage": "not begun", "failure": "no time left"})
            continue
        row = one(case, rig, how, deadline, machine)
        record.add(row, rig.work / f"{case.name}.log")
        print(f"{case.name}: {'serves' if row['ok'] else row['stage']} in {row['took_s']} s", flush=True)


def rig(number: int, folder: Path, groups: Groups, speed: threading.Lock) -> measure.Rig:
    """One GPU with its ballast."""
    held = Ballast.on(number, groups)
    place = folder / f"gpu{number}"
    place.mkdir()
    return measure.Rig(number, gpu.used_bytes(number), held, groups, place, 8000 + number, speed)


def run(options: argparse.Namespace, found: list[cases.Case]) -> int:
    """Run everything; 0 where every case serves."""
    groups, deadline, speed = Groups(), Deadline.after(options.limit_s - END_S), threading.Lock()
    groups.hard_stop(options.limit_s - HARD_END_S)
    order = server.Order(options.model, options.load_format, options.vllm)
    how = measure.How(order, options.start_s, options.temperature, options.answers, options.only_start)
    record, todo = Record(options.out, options.date), queue.Queue[cases.Case]()
    record.open(options.load_format)
    for case in found:
        todo.put(case)
    try:
        with tempfile.TemporaryDirectory(prefix="serve-") as name:
            rigs = [rig(number, Path(name), groups, speed) for number in range(options.parallel)]
            more = cases.Described(options.gpu_name)
            threads = [threading.Thread(target=work, args=(todo, each, how, deadline, record, more)) for each in rigs]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        groups.close()
    print(record.path.with_suffix(".txt").read_text())
    return 0 if all(row["ok"] for row in record.rows) else 1
