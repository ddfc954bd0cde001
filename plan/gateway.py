"""The endpoint of a lab: what a gateway and the doors of its workstations are made of. Pure: text and digests."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, field_validator

from plan.place import Place
from plan.service import TEMPLATES, Text
from plan.settings import Settings

UNIT = "vllm-workstation-gateway.service"
UNIT_FILE = f".config/systemd/user/{UNIT}"
NAME = "vllm-workstation"  # what every certificate of ours is for: gateway and doors know each other by the certificate itself
CERTIFICATE = r"-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n"
# Path: method. Nothing else passes (2026-11: what an OpenAI client of text models asks; vLLM serves some sixty more).
PATHS = {
    "/v1/chat/completions": "POST",
    "/v1/completions": "POST",
    "/v1/responses": "POST",
    "/v1/models": "GET",
}
BODY_MIB = 20  # of a request; 131,072 tokens are about 1 MiB of JSON
READ_SECONDS = 3600  # between two bytes of an answer: a long one that is not streamed says nothing until its end


class Door(BaseModel):
    """A workstation as the gateway reaches it. `certificate`: PEM, which its door must show."""

    model_config = ConfigDict(frozen=True)
    name: str
    address: str
    port: int
    certificate: str

    @field_validator("certificate")
    @classmethod
    def _sound(cls, value: str) -> str:
        if not sound(value):
            raise ValueError("not a certificate")
        return value


def sound(text: str) -> bool:
    """Whether a text is one certificate that TLS can read: another one would keep nginx from all that stand beside it."""
    if re.fullmatch(CERTIFICATE, text) is None:
        return False
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ValueError, ssl.SSLError):
        return False
    return True


def folder(place: Place) -> str:
    """Where everything of the endpoint's lies."""
    return f"{place.root}/gateway"


def has_door(settings: Settings) -> bool:
    """Whether the machine serves a model."""
    return settings.role in ("workstation", "both")


def is_gateway(settings: Settings) -> bool:
    """Whether clients ask this machine."""
    return settings.role in ("gateway", "both")


def files(place: Place, settings: Settings, gateways: Mapping[str, str], doors: Sequence[Door]) -> list[Text]:
    """All files of this machine's part. `gateways`: those that a door admits, by name, as PEM; `doors`: those of a gateway."""
    ours = folder(place)
    found = [Text(path=f"{ours}/nginx.conf", content=_nginx(place, settings), mode="600")]
    if has_door(settings):
        found.append(Text(path=f"{ours}/gateways.pem", content=_admitting(gateways), mode="600"))
    if is_gateway(settings):
        trusted = "".join(sorted(door.certificate for door in doors))
        found.append(Text(path=f"{ours}/doors.pem", content=trusted, mode="600"))
        told = [door.model_dump() for door in sorted(doors, key=lambda door: door.name)]
        found.append(Text(path=f"{ours}/doors.json", content=json.dumps(told, indent=1) + "\n", mode="600"))
    unit = TEMPLATES.get_template(f"{UNIT}.j2").render({"root": place.root, "folder": ours})
    return [*found, Text(path=f"{place.home}/{UNIT_FILE}", content=unit)]


def _admitting(gateways: Mapping[str, str]) -> str:
    """With each one's name as a comment, which OpenSSL skips."""
    return "".join(f"# {name}\n{certificate}" for name, certificate in sorted(gateways.items()))


def admitted(text: str) -> dict[str, str]:
    """Gateways by name out of such a file; whatever else stands there is not one."""
    found = re.findall(rf"^# (\S+)\n({CERTIFICATE})", text, re.M)
    return {name: certificate for name, certificate in found if sound(certificate)}


def _nginx(place: Place, settings: Settings) -> str:
    ours = folder(place)
    context = {
        "folder": ours, "root_user": place.uid == 0, "door": has_door(settings), "gateway": is_gateway(settings), "name": NAME,
        "door_port": settings.door_port, "door_at": "[::]" if ":" in settings.door_address else "0.0.0.0",
        "server": f"{_loopback(settings.host)}:{settings.port}", "keyed": settings.require_api_key,
        "address": settings.gateway_address or "0.0.0.0", "port": settings.gateway_port,
        "certificate": settings.gateway_certificate or f"{ours}/server.crt",
        "key": settings.gateway_certificate_key or f"{ours}/server.key",
        "paths": PATHS, "body_mib": BODY_MIB, "read_seconds": READ_SECONDS,
    }  # fmt: skip
    return TEMPLATES.get_template("gateway.nginx.conf.j2").render(context)


def _loopback(host: str) -> str:
    """Where the machine's own server is asked."""
    asked = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "localhost": "127.0.0.1"}.get(host, host)
    return f"[{asked}]" if ":" in asked and not asked.startswith("[") else asked
