"""A lab's endpoint: certificates on every machine first; then doors that admit the gateway, and the gateway that knows the doors."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api import StringCommand

from plan import gateway
from plan.gateway import Door
from plan.settings import near
from tasks import daemon, endpoint, helper
from tasks.endpoint import Part
from tasks.task import task
from tasks.workstation import Workstation

NO_GATEWAY = (
    "no gateway is known here, and no machine of this run is a gateway. Give one role = gateway (or both) in the inventory, "
    "and name it with --limit too."
)
OPEN = (
    "host = {!r} leaves the server open beside its door: allowed behind a gateway is '127.0.0.1'. Change it, run deploy/full.py, "
    "and then this again."
)
ITSELF = (
    "{} would be asked at {}, which is this gateway itself. Give it door_address = its address in the lab, such as '10.0.0.5'."
)


def _part(ws: Workstation) -> Part:
    return endpoint.of(ws.host)


@task
def python(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure that the target has a python3, and that it can be part of an endpoint.

    + ws: the host
    """
    yield from daemon.looked_at(_part(ws))


@task
def programme(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure that our helper and nginx are there.

    + ws: the host
    """
    part = _part(ws)
    if gateway.has_door(ws.settings) and not ws.settings.near:
        yield helper.fail(OPEN.format(ws.settings.host))
        return
    if part.seen is not None:
        yield from daemon.programme(part, ["nginx", "openssl"])


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
        yield part.command("identity", " ".join(names))
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
    if wrong := next((door for door in _told_of(part) if door.name != ws.name and near(door.address)), None):
        yield helper.fail(ITSELF.format(wrong.name, wrong.address))
        return
    unkeyed = gateway.has_door(part.settings) and part.settings.require_api_key and not part.seen["keyed"]
    yield from daemon.written(part, [part.command("server-key")] if unkeyed else [])


def _told_of(part: Part) -> list[Door]:
    """The doors of a gateway."""
    return endpoint.doors(part) if gateway.is_gateway(part.settings) else []


@task
def running(ws: Workstation) -> Iterator[StringCommand]:
    """
    Ensure that the endpoint runs what lies there, at boot too.

    + ws: the host
    """
    part = _part(ws)
    if part.seen is not None:
        yield from daemon.running(part, "reload" if part.up() and part.seen["code"] else "restart")


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
        yield daemon.not_yet(part)
        return
    ws.verified = _told(part)
    host.noop(ws.verified)


def _told(part: Part) -> str:
    folder, known = gateway.folder(part.place), endpoint.doors(part)
    if not gateway.is_gateway(part.settings):
        return f"a door at {part.address}:{part.settings.door_port}, for the gateway alone"
    own = f"; trust {folder}/server.crt" if not part.settings.gateway_certificate else ""
    where = f"https://{part.names()[0]}:{part.settings.gateway_port}/v1"
    silent = ", ".join((part.seen or {})["silent"])
    away = f" ({silent} does not answer)" if silent else ""
    return f"the endpoint of {len(known)} workstation{'' if len(known) == 1 else 's'}{away} at {where}; its key is in {folder}/key{own}"
