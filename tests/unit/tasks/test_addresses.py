"""Where doors are, in numbers."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from tasks.remote import addresses

NAMED = {"name": "pc", "address": "pc.lab", "port": 8444}
FOUR, SIX = ("192.0.2.7", 0), ("2001:db8::7", 0, 0, 0)


def told(monkeypatch: pytest.MonkeyPatch, *found: tuple[Any, ...]) -> None:
    """The site's names are such; none: nobody knows them."""

    def look(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        if not found:
            raise socket.gaierror(-2, "Name or service not known")
        family = {2: socket.AF_INET, 4: socket.AF_INET6}
        return [(family[len(at)], 1, 6, "", at) for at in found]

    monkeypatch.setattr(socket, "getaddrinfo", look)


@pytest.mark.parametrize(
    ("names", "known", "expected"),
    [
        ([SIX, FOUR], "", "192.0.2.7"),
        ([SIX], "", "2001:db8::7"),
        ([SIX, FOUR], "2001:db8::7", "2001:db8::7"),  # still one of its own: nginx is not told anew
        ([FOUR], "192.0.2.9", "192.0.2.7"),
        ([], "192.0.2.9", "192.0.2.9"),
        ([], "", ""),
    ],
)
def test_a_name_in_numbers(monkeypatch: pytest.MonkeyPatch, names: list[Any], known: str, expected: str) -> None:
    told(monkeypatch, *names)
    assert addresses.find([NAMED], {"pc": known} if known else {}) == {"pc": expected}


def test_a_number_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch)
    doors = [{**NAMED, "address": "[fd00::5]"}, {**NAMED, "name": "b", "address": "10.0.0.5"}]
    assert addresses.find(doors, {"pc": "192.0.2.9", "b": "192.0.2.9"}) == {"pc": "fd00::5", "b": "10.0.0.5"}


def test_what_nginx_is_told() -> None:
    doors = [NAMED, {**NAMED, "name": "b"}, {**NAMED, "name": "c"}]
    text = addresses.upstream(doors, {"pc": "fd00::5", "b": "10.0.0.5", "c": ""})
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("server ")]
    assert [line.split()[1] for line in lines] == ["[fd00::5]:8444", "10.0.0.5:8444", "127.0.0.1:9"]
    assert [line.endswith("down;") for line in lines] == [False, False, True]
    assert "server 127.0.0.1:9 down;" in addresses.upstream([], {})
