"""One machine's part in a lab's endpoint in one run: what was seen of it, and what the others need to know."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pydantic import ValidationError
from pyinfra.api import Host

from facts.gateway import Gateway
from plan import gateway
from plan.gateway import Door
from plan.service import Text
from plan.settings import Settings
from tasks.daemon import Daemon
from tasks.workstation import Workstation, all_known


class Part(Daemon):
    """A gateway, a workstation's door, or both in one."""

    what, unit, fact, wait = "endpoint", gateway.UNIT, Gateway, "gateway-wait"
    instead = "give the machine role = other"

    def __init__(self, ws: Workstation) -> None:
        super().__init__(ws)
        self.certificate: str | None = None  # PEM
        data, local = ws.host.data, "127.0.0.1" if ws.name.startswith("@") else ws.name
        self.address: str = (
            ws.settings.door_address or str(data.get("ssh_hostname") or "") or local
        )  # as the gateway knows it

    def query(self) -> dict[str, Any]:
        """What the fact is asked."""
        names, root = ["nginx.conf", "gateways.pem", "doors.pem", "doors.json"], self.settings.root
        return {"root": root, "files": [*(f"{root}/gateway/{name}" for name in names), f"~/{gateway.UNIT_FILE}"]}

    def names(self) -> list[str]:
        """What clients may call this gateway."""
        seen, own = self.seen or {}, self.settings.gateway_names.replace(",", " ").split()
        return list(dict.fromkeys([*own, self.address, str(seen.get("host")), "localhost", "127.0.0.1"]))

    def tell(self) -> None:
        """Let the others of this run know this machine, now that it has a certificate."""
        told = (self.seen or {}).get("certificate")
        self.certificate = told if told and gateway.sound(told) else None

    def door(self) -> Door | None:
        """This workstation as the gateway reaches it; None where it is none, or did not get so far in this run."""
        if self.certificate is None or not gateway.has_door(self.settings):
            return None
        return Door(name=self.ws.name, address=self.address, port=self.settings.door_port, certificate=self.certificate)

    def files(self) -> list[Text]:
        """Its files as they should be."""
        return gateway.files(self.place, self.settings, self.admitted(), doors(self))

    def admitted(self) -> dict[str, str]:
        """Gateways that this machine's door admits, by name: of this run, and those of the inventory that it knows already."""
        known = gateway.admitted((self.seen or {}).get("gateways") or "")
        listed = {host.name for host in self.ws.host.state.inventory}
        kept = {name: told for name, told in known.items() if name in listed and _still(name, gateway.is_gateway)}
        return kept | gateways()

    def current(self) -> bool:
        """Whether it runs what lies there."""
        return bool((self.seen or {})["current"])


_parts: dict[str, Part] = {}


def of(host: Host) -> Part:
    """The one Part of a host in this run."""
    if host.name not in _parts:
        _parts[host.name] = Part(all_known()[host.name])
    return _parts[host.name]


def gateways() -> dict[str, str]:
    """Certificates of all gateways of this run, by name."""
    told = {name: part.certificate for name, part in _parts.items() if gateway.is_gateway(part.settings)}
    return {name: certificate for name, certificate in told.items() if certificate}


def doors(asking: Part) -> list[Door]:
    """Workstations of this run, and those that the asking gateway knows already: of the inventory, but not reached now."""
    now = {name: door for name, part in _parts.items() if (door := part.door())}
    listed = {host.name for host in asking.ws.host.state.inventory}
    known = _known((asking.seen or {}).get("doors"))
    kept = {
        door.name: door for door in known if door.name in listed and door.name not in now and _still(door.name, gateway.has_door)
    }
    return list((kept | now).values())


def _known(told: Any) -> list[Door]:
    """Doors out of a file that anybody may have edited; without those that are none."""
    found = []
    for one in told if isinstance(told, list) else []:
        with suppress(ValidationError):
            found.append(Door.model_validate(one))
    return found


def _still(name: str, kind: Callable[[Settings], bool]) -> bool:
    """Whether a host has not become another kind of machine."""
    ws = all_known().get(name)
    return ws is None or kind(ws.settings)
