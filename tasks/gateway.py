"""A lab's endpoint: certificates on every machine first; then doors that admit the gateway, and the gateway that knows the doors."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api import QuoteString, StringCommand

from plan import gateway
from tasks import check, endpoint, helper, nginx
from tasks.endpoint import Part
from tasks.task import task
from tasks.workstation import Workstation

SYSTEMCTL = "XDG_RUNTIME_DIR=/run/user/$(id -u) systemctl --user"
LINGER = (  # the user's own services, from boot on
    'u="${SUDO_UID:-$(id -u)}"; loginctl enable-linger "$(getent passwd "$u" | cut -d: -f1)" && systemctl start "user@$u" && '
    '{ i=0; until test -S "/run/user/$u/bus"; do i=$((i+1)); test $i -lt 100 || exit 1; sleep 0.1; done; }'
)
SECONDS = 30  # until the endpoint runs what was written
NO_SYSTEMD = "the endpoint needs systemd, which does not run here. Switch it on (in WSL: deploy/full.py does), or give the machine role = other."
NO_GATEWAY = (
    "no gateway is known here, and no machine of this run is a gateway. Give one role = gateway (or both) in the inventory, "
    "and name it with --limit too."
)


def _part(ws: Workstation) -> Part:
    return endpoint.of(ws.host)


@task
def python(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure that the target has a python3, and that it can be part of an endpoint.

    + ws: the host
    """
    part = _part(ws)
    part.forget()
    if part.seen is None:
        yield StringCommand(check.SCRIPT)
        part.forget()
    if part.seen is not None and not part.seen["systemd"]:
        yield helper.fail(NO_SYSTEMD)


@task
def programme(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure that our helper and nginx are there.

    + ws: the host
    """
    part = _part(ws)
    if part.seen is None:
        return
    whole = part.helped() and part.seen["nginx"] and part.seen["openssl"]
    if whole:
        host.noop("nginx and our helper are there")
        return
    yield from nginx.installed(part.seen, part.as_root)
    if not part.helped():
        root = QuoteString(part.place.root)
        yield StringCommand("test -d", root, "|| { mkdir -p", root, "&& chmod 700", root, "; }")
        yield from helper.deliver(helper.path(part.place.root), helper.archive(), "600")
    part.forget()


@task
def identity(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure that the machine has a certificate of its own, and a gateway what its clients need.

    + ws: the host
    """
    part = _part(ws)
    if part.seen is None:
        return
    names = part.names() if gateway.is_gateway(part.settings) else []
    whole = part.seen["certificate"] and part.seen["identity"]
    if whole and (not names or (part.seen["names"] == names and part.seen["clients"])):
        host.noop("the certificates are there")
    else:
        yield helper.command(part.place.root, "identity", part.place.root, " ".join(names))
        part.forget()
    part.tell()


@task
def files(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure that configuration, known certificates and the unit are as planned.

    + ws: the host
    """
    part = _part(ws)
    if part.seen is None:
        return
    if ws.host.state.is_executing and not part.admitted():
        yield helper.fail(NO_GATEWAY)
        return
    unkeyed = gateway.has_door(part.settings) and part.settings.require_api_key and not part.seen["keyed"]
    stale = part.stale()
    for text in stale:
        yield helper.write(text.path, text.content.encode(), text.mode)
    if unkeyed:
        yield helper.command(part.place.root, "server-key", part.place.root)
    if stale or unkeyed:
        part.forget()
    else:
        host.noop("the endpoint's files are as planned")


@task
def running(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure that the endpoint runs what lies there, at boot too.

    + ws: the host
    """
    part = _part(ws)
    if part.seen is None:
        return
    unit = part.seen["unit"] or {}
    up = unit.get("active") == "active" and not unit.get("needs_reload")
    if up and unit.get("enabled") == "enabled" and part.seen["current"] and part.seen["linger"]:
        host.noop("the endpoint runs")
        return
    if not part.seen["linger"] or part.seen["unit"] is None:
        yield part.as_root(LINGER)
    verb = "reload" if up else "restart"
    yield StringCommand(f"{SYSTEMCTL} daemon-reload; {SYSTEMCTL} reset-failed {gateway.UNIT} 2>/dev/null; true")
    yield StringCommand(f"{SYSTEMCTL} enable -q {gateway.UNIT} && {SYSTEMCTL} {verb} {gateway.UNIT}")
    yield helper.command(part.place.root, "gateway-wait", part.place.root, str(SECONDS))
    part.forget()


@task
def verified(ws: Workstation) -> Iterator[StringCommand]:
    """
    Look again, and say where clients ask.

    + ws: the host
    """
    part = _part(ws)
    if part.seen is None or not ws.host.state.is_executing:
        return
    if part.stale() or not part.seen["current"]:
        yield helper.fail(
            "the endpoint is not as planned yet. Run this again; journalctl --user -u vllm-workstation-gateway shows what it says."
        )
        return
    ws.verified = _told(part)
    host.noop(ws.verified)


def _told(part: Part) -> str:
    folder, known = part.place.folder, endpoint.doors(part)
    if not gateway.is_gateway(part.settings):
        return f"a door at {part.address}:{part.settings.door_port}, for the gateway alone"
    own = f"; trust {folder}/server.crt" if not part.settings.gateway_certificate else ""
    where = f"https://{part.names()[0]}:{part.settings.gateway_port}/v1"
    silent = ", ".join((part.seen or {})["silent"])
    away = f" ({silent} does not answer)" if silent else ""
    return f"the endpoint of {len(known)} workstation{'' if len(known) == 1 else 's'}{away} at {where}; its key is in {folder}/key{own}"
