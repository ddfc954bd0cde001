"""CUDA lines and stanzas of apt's sources."""

from __future__ import annotations

from typing import Any

import pytest

from facts.probe import apt
from tests.unit.recorded import RECORDED

WSL = "https://developer.download.nvidia.com/compute/cuda/repos/wsl-ubuntu/x86_64/"
KEYRING = "/usr/share/keyrings/cuda-archive-keyring.gpg"
LINE = f"deb [signed-by={KEYRING}] {WSL} /"


def row(
    line: int, enabled: bool = True, signed_by: str | None = KEYRING, uri: str = WSL, suite: str = "/"
) -> dict[str, Any]:
    """One source as the probe reports it."""
    return {"line": line, "enabled": enabled, "uri": uri, "suite": suite, "signed_by": signed_by}


LISTS = [
    (LINE + "\n", [row(1)]),
    (f"# {LINE}\n{LINE}", [row(1, enabled=False), row(2)]),
    (f"#{LINE}\n", [row(1, enabled=False)]),
    (f"\n  deb   {WSL}   /\n", [row(2, signed_by=None)]),
    (f"deb [ arch=amd64 signed-by={KEYRING} ] {WSL} /\n", [row(1)]),
    (f"deb [signed-by={KEYRING} arch=amd64] {WSL} /", [row(1)]),
    ("deb http://mirror.example/debian bookworm main\n", []),
    (f"deb-src {WSL} /\n", []),
    (f"# disabled by vllm-workstation: {LINE}\n", []),
    (f"deb [trusted=yes] {WSL[:-1]} / # mirror\r\n", [row(1, signed_by=None, uri=WSL[:-1])]),
]
STANZA = f"Types: deb\nURIs: {WSL}\nSuites: /\nSigned-By: {KEYRING}\n"
STANZAS = [
    (STANZA, [row(1)]),
    (f"# NVIDIA\n\n{STANZA}\n\n{STANZA}", [row(3), row(9)]),
    (f"Enabled: no\n{STANZA}", [row(1, enabled=False)]),
    (f"{STANZA}Enabled: No\n", [row(1, enabled=False)]),
    (f"{STANZA}Enabled: yes\n", [row(1)]),
    (STANZA.lower().replace(KEYRING.lower(), KEYRING), [row(1)]),
    (STANZA.replace("\n", "\r\n"), [row(1)]),
    (
        f"Types: deb\nURIs: {WSL}\nSuites: /\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abcd\n",
        [row(1, signed_by=None)],
    ),
    ("Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n", []),
    (f"# URIs: {WSL}\nTypes: deb\nURIs: http://mirror.example/debian\nSuites: x\n", []),
]


@pytest.mark.parametrize(("text", "expected"), LISTS)
def test_list(text: str, expected: list[dict[str, Any]]) -> None:
    assert apt.parse_list(text) == expected


@pytest.mark.parametrize(("text", "expected"), STANZAS)
def test_sources(text: str, expected: list[dict[str, Any]]) -> None:
    assert apt.parse_sources(text) == expected


@pytest.mark.parametrize("word", ["no", "false", "0", "off", "without", "disable"])
def test_every_word_that_apt_takes_for_no_disables(word: str) -> None:
    assert [found["enabled"] for found in apt.parse_sources(f"{STANZA}Enabled: {word}\n")] == [False]


def test_a_comment_line_inside_a_stanza_does_not_end_it() -> None:
    text = f"Types: deb\n# the toolkit\nURIs: {WSL}\nSuites: /\nSigned-By: {KEYRING}\n"
    assert apt.parse_sources(text) == [row(1)]


def test_recorded_duplicate() -> None:
    text = (RECORDED / "sources" / "duplicate-cuda.txt").read_text()
    assert [(found["uri"], found["signed_by"], found["enabled"]) for found in apt.parse_list(text)] == [
        (WSL, KEYRING, True)
    ] * 2


def test_recorded_ubuntu_sources_name_no_cuda() -> None:
    text = (RECORDED / "sources" / "ubuntu-24.04-sources.txt").read_text()
    assert (apt.parse_sources(text), apt.parse_list(text)) == ([], [])
