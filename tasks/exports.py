"""PATH and LD_LIBRARY_PATH for people who call nvcc: one file of ours, read by login and interactive shells."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api import QuoteString, StringCommand

from plan import exports
from tasks import helper
from tasks.task import task
from tasks.workstation import Workstation

DROP = f"sed -i '\\|{exports.PROFILE}|d' {exports.BASHRC}"


@task
def profile(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure the exports are there exactly once, or not at all where they are not wanted.

    + ws: the host
    """
    if ws.plan is None or ws.machine is None or ws.plan.refusals:
        return
    seen, hooks = ws.machine.files.get(exports.PROFILE), ws.machine.exports.hooks
    if not ws.settings.exports or ws.plan.toolkit is None:
        if seen or hooks:
            yield ws.as_root(f"rm -f {exports.PROFILE}; {DROP}")
            ws.forget()
        return
    if ws.plan.toolkit_version is None:  # only while preparing: the toolkit comes first
        yield StringCommand("true")
        return
    content = exports.content(ws.plan.toolkit_version).encode()
    same = exports.profile_right(ws.machine, ws.plan.toolkit_version)
    if same and hooks == 1:
        host.noop("the exports are there")
        return
    if not same:
        yield ws.as_root(helper.write(exports.PROFILE, content, "644"))
    if hooks != 1:
        yield ws.as_root(
            f"touch {exports.BASHRC} && {DROP} && sed -i '$a\\' {exports.BASHRC} && printf '%s\\n'",
            QuoteString(exports.HOOK),
            f">> {exports.BASHRC}",
        )
    ws.forget()
