"""The end of a run: one line a host, also for those that failed or could not be reached."""

from __future__ import annotations

import atexit
import json
import re
import sys
from pathlib import Path
from typing import Any

from pyinfra import logger
from pyinfra.api import BaseStateCallback, Host, State

from plan import cost as plan_cost
from tasks import account, cost, repeat, rollout
from tasks.workstation import Workstation, all_known

SENTENCE = 12  # lines at most of a message of ours
WORD = len("unchanged")
AGAIN = ("FAILED", "UNREACHABLE", "HELD", "REFUSED")
_state: list[State] = []
_always: list[bool] = []


class Watcher(BaseStateCallback):
    """Tells the rollout how each host ended."""

    @staticmethod
    def operation_host_success(state: State, host: Host, op_hash: str, *_: Any) -> None:
        """All steps are done."""
        rollout.ended(host, True)

    @staticmethod
    def operation_host_error(state: State, host: Host, op_hash: str, *_: Any) -> None:
        """A step failed."""
        _failed.add(host.name)
        rollout.ended(host, False)

    @staticmethod
    def host_connect_error(state: State, host: Host, error: Any) -> None:
        """What the connection said."""
        _unreachable[host.name] = str(error.args[0] if error.args else error)


_failed: set[str] = set()
_unreachable: dict[str, str] = {}


def register(state: State, always: bool = False) -> None:
    """Print the table when this run ends, however it ends. `always`: say "0 problems left" too."""
    if not _state:
        _state.append(state)
        _always.append(always)
        state.add_callback_handler(Watcher())  # type: ignore[no-untyped-call]
        atexit.register(table)


def table() -> None:
    """One line a host: serving, changed or not, failed and why."""
    state = _state[0]
    if not state.op_meta:
        return
    rows = [(host.name, *_row(state, host)) for host in state.inventory if state.is_host_in_limit(host)]
    width, word_width = max(len(row[0]) for row in rows), max(WORD, *(len(row[1]) for row in rows))
    logger.info("")
    told = {name: account.account(ws) for name, ws in all_known().items()}
    costs = cost.told(all_known())
    for name, one in costs.items():
        told[name]["cost"] = one.model_dump()
    for name, word, text in rows:
        first, *rest = (text or "").splitlines() or [""]
        logger.info(f"{name:<{width}}  {word:<{word_width}}  {first}")
        always = _always[0] and word in ("changed", "unchanged")
        ws = all_known().get(name)
        alone = (
            word in ("changed", "unchanged") and ws is not None and ws.left is None
        )  # one step, which does not look again
        found = [] if alone or name not in told else account.lines(told[name], always, word == "planned")
        price = [plan_cost.text(costs[name])] if name in costs else []
        for more in [*rest, *found, *price]:
            logger.info(f"{'':<{width}}  {'':<{word_width}}  {more}")
    if len(costs) > 1:
        logger.info(plan_cost.lab(list(costs.values())))
    again = repeat.command(sys.argv, _left(rows)) if len(rows) > 1 else None
    if again:
        logger.info(f"again: {again}")
    hosts = {name: {"state": word, "text": text, **told.get(name, {})} for name, word, text in rows}
    _write({"hosts": hosts, "again": again})


def _left(rows: list[tuple[str, str, str]]) -> list[str]:
    """Hosts that a further run is for, with those that it needs."""
    left = {name for name, word, _ in rows if word in AGAIN}
    needed = {name for name, ws in all_known().items() if ws.needed} if left else set()
    return [name for name, *_ in rows if name in left | needed]


def _write(told: dict[str, Any]) -> None:
    """The same as JSON, where a host's settings name a file on this computer."""
    for path in {ws.settings.report for ws in all_known().values() if ws.settings.report}:
        try:
            file = Path(path).expanduser()
            file = file if file.suffix == ".json" else file / "run.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        except (OSError, RuntimeError) as error:  # RuntimeError: no such user's home
            logger.error(
                f"report = {path} could not be written: {getattr(error, 'strerror', None) or error}. Name a folder that you can write to."
            )


def _row(state: State, host: Host) -> tuple[str, str]:
    ws = all_known().get(host.name)
    if ws is None or ws.unreachable:
        return "UNREACHABLE", (ws and ws.unreachable) or _unreachable.get(host.name) or "not reached"
    if host in state.failed_hosts or host.name in _failed:
        return "FAILED", _reason(ws)
    if ws.held:
        return "HELD", f"not begun: {ws.held}"
    if ws.idle:
        return "unchanged", ws.verified or ""
    if ws.verified is None:
        refusals = ws.last_plan.refusals if ws.last_plan else []
        if refusals:
            return "REFUSED", "\n".join(str(refusal) for refusal in refusals)
        if not _done(state, host):
            same = state.check_for_changes and not state.meta[host].ops_change
            return "planned", "nothing would change" if same else "nothing was done yet"
    return ("changed" if _changes(state, host) else "unchanged"), ws.verified or "done"


def _done(state: State, host: Host) -> bool:
    """Whether any operation was executed here."""
    return any(data.operation_meta.is_complete() for data in state.ops[host].values())


def _changes(state: State, host: Host) -> int:
    """Operations that changed this host."""
    metas = [data.operation_meta for data in state.ops[host].values()]
    return sum(1 for meta in metas if meta.did_succeed(_raise_if_not_complete=False) and meta.did_change())


def _reason(ws: Workstation) -> str:
    """The step that failed, and its last command's own words."""
    words = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in ws.words if line.strip()]
    own = words if len(words) <= SENTENCE else words[-1:]  # apt's own lines stand above; ours is the last
    return f"{ws.step or 'Begin'}: " + ("\n".join(own) or "see above")
