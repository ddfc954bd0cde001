"""The endpoint's files as text."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from plan import gateway
from plan.gateway import Door
from plan.place import Place
from plan.settings import Settings
from tests.unit.recorded import REPOSITORY

PLACE = Place(root="/home/ops/.local/share/vllm-workstation", home="/home/ops", uid=1000)
PEM, OTHER = ((REPOSITORY / f"tests/data/certificates/{name}.crt").read_text() for name in ("one", "two"))
BROKEN = [
    "",
    "nothing",
    PEM[:-20],
    PEM.replace("MII", "MIJ", 1),
    PEM + OTHER,
    PEM + "ssl_trailing",
    PEM + "\n",
    "é",
    PEM.replace("M", "é", 1),
    PEM.replace("\n", ""),
]


def contents(settings: Settings, gateways: dict[str, str], doors: list[Door]) -> dict[str, str]:
    """Each file's text by its name."""
    return {text.path.rpartition("/")[2]: text.content for text in gateway.files(PLACE, settings, gateways, doors)}


def test_a_door_remembers_whose_certificates_it_admits() -> None:
    told = {"gw-2": OTHER, "gw-1": PEM}
    text = contents(Settings(), told, [])["gateways.pem"]
    assert gateway.admitted(text) == told and text.count("BEGIN") == 2
    assert gateway.admitted(PEM + "# gw\nnothing\n# gw-3\n" + PEM) == {"gw-3": PEM}


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_certificate_gets_nowhere(text: str) -> None:
    """In doors.pem it would keep nginx from starting, for all workstations."""
    assert gateway.sound(PEM) and not gateway.sound(text)
    with pytest.raises(ValidationError):
        Door(name="pc", address="pc.lab", port=8444, certificate=text)
    if not text.startswith(PEM):
        assert gateway.admitted(f"# gw\n{text}") == {}


def test_each_kind_of_machine_has_its_files() -> None:
    door = Door(name="pc", address="pc.lab", port=8444, certificate=PEM)
    assert set(contents(Settings(), {"gw": PEM}, [])) == {"nginx.conf", "gateways.pem", gateway.UNIT}
    assert set(contents(Settings(role="gateway"), {}, [door])) == {
        "nginx.conf",
        "doors.pem",
        "doors.json",
        gateway.UNIT,
    }
    both = contents(Settings(role="both"), {"gw": PEM}, [door])
    assert {"gateways.pem", "doors.pem", "doors.json"} < set(both)
    assert "listen 0.0.0.0:8444 ssl" in both["nginx.conf"] and "listen 0.0.0.0:8443 ssl" in both["nginx.conf"]


def test_no_name_stands_in_what_nginx_reads() -> None:
    """It would not start while nobody knows that name; numbers are found where it runs."""
    doors = [Door(name="pc", address="pc.lab", port=8444, certificate=PEM)]
    assert "pc.lab" not in contents(Settings(role="gateway"), {}, doors)["nginx.conf"]
