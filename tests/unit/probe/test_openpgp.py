"""Fingerprints without gpg, against gpg, on the real keyrings of this machine."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from facts.probe import openpgp
from tests.unit.keys import KEY_A, KEY_B, armored

KEYRINGS = sorted(
    path
    for folder in ("/etc/apt/trusted.gpg.d", "/usr/share/keyrings")
    for path in Path(folder).glob("*")
    if path.suffix in (".gpg", ".asc")
)


def as_gpg_says(path: Path, home: Path) -> list[str]:
    """Primary fingerprints by gpg; 40 digits, so version 4 keys only."""
    asked = subprocess.run(
        ["gpg", "--homedir", str(home), "--show-keys", "--with-colons", str(path)], capture_output=True, text=True
    )
    found: list[str] = []
    primary = False
    for cells in (line.split(":") for line in asked.stdout.splitlines()):
        primary = cells[0] == "pub" or (primary and cells[0] != "sub")
        if primary and cells[0] == "fpr" and len(cells[9]) == 40:
            found.append(cells[9])
    return found


@pytest.mark.skipif(not shutil.which("gpg"), reason="gpg is not installed here, so there is nothing to compare with")
@pytest.mark.skipif(not KEYRINGS, reason="no keyrings on this machine")
@pytest.mark.parametrize("path", KEYRINGS, ids=lambda path: path.name)
def test_this_machines_keyrings(path: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    expected = as_gpg_says(path, tmp_path)
    assert expected
    assert openpgp.fingerprints(path.read_bytes()) == expected


def test_armor_and_binary_are_one() -> None:
    raw, fingerprint = KEY_A
    assert openpgp.fingerprints(raw) == [fingerprint]
    assert openpgp.fingerprints(armored(raw)) == [fingerprint]
    assert openpgp.dearmor(armored(raw)) == raw


def test_two_keys_in_one_file_keep_their_order() -> None:
    expected = [KEY_B[1], KEY_A[1]]
    assert openpgp.fingerprints(KEY_B[0] + KEY_A[0]) == expected
    assert openpgp.fingerprints(armored(KEY_B[0]) + b"\n" + armored(KEY_A[0])) == expected


def test_armor_with_headers_checksum_and_crlf() -> None:
    body = base64.encodebytes(KEY_A[0]).replace(b"\n", b"\r\n")
    text = (
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\r\nVersion: GnuPG\r\n\r\n"
        + body
        + b"=abcd\r\n-----END PGP PUBLIC KEY BLOCK-----\r\n"
    )
    assert openpgp.fingerprints(text) == [KEY_A[1]]


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>403</html>", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!!!\n-----END PGP", KEY_A[0][1:], b"\x99"],
)
def test_no_key_gives_none(data: bytes) -> None:
    assert openpgp.fingerprints(data) == []


def test_a_cut_key_has_another_fingerprint() -> None:
    assert KEY_A[1] not in openpgp.fingerprints(KEY_A[0][:-40])
