"""The doctor: it only looks. Apart from the steps, which need nothing of what shows its findings."""

from __future__ import annotations

from pyinfra import host, state

from deploy import compose
from tasks import doctor as physician


def doctor() -> None:
    """Only look. Ends the process after the last host, before pyinfra asks whether to change something."""
    wanted = None
    try:
        wanted = compose.settings_here()
        ws = compose.workstation_here(wanted, repair=False)
        if wanted.role in ("gateway", "other"):
            physician.leave(ws)
        else:
            password, ws.sudo_password = ws.sudo_password, True  # to look needs no sudo; to mend what is found may
            ws.logs, ws.hashes = True, wanted.thorough
            physician.see(ws, password)
    except Exception as error:  # one host's trouble is its own
        physician.failed(host, wanted, error)
    physician.finish(state)
