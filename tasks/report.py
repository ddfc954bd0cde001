"""The end of a run: one line a host, also for those that failed or could not be reached."""

from __future__ import annotations

import atexit
import json
import re
from pathlib import Path
from typing import Any

from pyinfra import logger
from pyinfra.api import BaseStateCallback, Host, State

from tasks import account
from tasks.workstation import all_known

SENTENCE = 12  # lines at most of a message of ours
_why: dict[str, str] = {}
_state: list[State] = []
_always: list[bool] = []


class Watcher(BaseStateCallback):
    """Remembers why a host failed."""

    @staticmethod
    def operation_host_error(state: State, host: Host, op_hash: str, *_: Any) -> None:
        """An operation that failed: its name now, its words at the end."""
        name = ", ".join(state.get_op_meta(op_hash).names)
        _why.setdefault(host.name, name)
        _failed_ops[host.name] = op_hash


_failed_ops: dict[str, str] = {}


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
    rows = [(host.name, *_row(state, host)) for host in state.inventory]
    width = max(len(row[0]) for row in rows)
    logger.info("")
    told = {
        host.name: account.account(state, host, ws) for host in state.inventory if (ws := all_known().get(host.name))
    }
    for name, word, text in rows:
        first, *rest = (text or "").splitlines() or [""]
        logger.info(f"{name:<{width}}  {word:<9}  {first}")
        always = _always[0] and word in ("changed", "unchanged")
        ws = all_known().get(name)
        alone = (
            word in ("changed", "unchanged") and ws is not None and ws.left is None
        )  # one step, which does not look again
        found = [] if alone or name not in told else account.lines(told[name], always, word == "planned")
        for more in [*rest, *found]:
            logger.info(f"{'':<{width}}             {more}")
    _write({name: {"state": word, "text": text, **told.get(name, {})} for name, word, text in rows})


def _write(hosts: dict[str, Any]) -> None:
    """The same as JSON, where a host's settings name a file on this computer."""
    for path in {ws.settings.report for ws in all_known().values() if ws.settings.report}:
        try:
            file = Path(path).expanduser()
            file = file if file.suffix == ".json" else file / "run.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps({"hosts": hosts}, indent=1) + "\n", encoding="utf-8")
        except (OSError, RuntimeError) as error:  # RuntimeError: no such user's home
            logger.error(
                f"report = {path} could not be written: {getattr(error, 'strerror', None) or error}. Name a folder that you can write to."
            )


def _row(state: State, host: Host) -> tuple[str, str]:
    ws = all_known().get(host.name)
    if host in state.failed_hosts or host.name in _why:
        return "FAILED", _reason(state, host)
    if ws is None:
        return "FAILED", "not reached"
    if ws.verified is None:
        refusals = ws.last_plan.refusals if ws.last_plan else []
        if refusals:
            return "REFUSED", "\n".join(str(refusal) for refusal in refusals)
        if not _done(state, host):
            return "planned", "nothing was done yet"
    return ("changed" if _changes(state, host) else "unchanged"), ws.verified or "done"


def _done(state: State, host: Host) -> bool:
    """Whether any operation was executed here."""
    return any(data.operation_meta.is_complete() for data in state.ops[host].values())


def _changes(state: State, host: Host) -> int:
    """Operations that changed this host."""
    metas = [data.operation_meta for data in state.ops[host].values()]
    return sum(1 for meta in metas if meta.did_succeed(_raise_if_not_complete=False) and meta.did_change())


def _reason(state: State, host: Host) -> str:
    op_hash = _failed_ops.get(host.name)
    if op_hash is None:
        return (
            "the connection was lost"
            if host.name in all_known()
            else "unreachable; the connection's own error is above"
        )
    output = state.get_op_data_for_host(host, op_hash).operation_meta
    try:
        words = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in output.stderr.splitlines() if line.strip()]
    except RuntimeError:
        words = []
    own = words if len(words) <= SENTENCE else words[-1:]  # apt's own lines stand above; ours is the last
    return f"{_why[host.name]}: " + ("\n".join(own) or "see above")
