"""Two OpenPGP public key packets, made here: enough for fingerprints, which are all that is looked at."""

from __future__ import annotations

import base64
import hashlib


def packet(seed: bytes) -> tuple[bytes, str]:
    """(packet, fingerprint) of a version 4 RSA key: the fingerprint by RFC 4880, section 12.2."""
    modulus = (b"\x80" + hashlib.sha512(seed).digest() * 4)[:256]
    body = (
        b"\x04"
        + (1700000000).to_bytes(4, "big")
        + b"\x01"
        + (2048).to_bytes(2, "big")
        + modulus
        + (17).to_bytes(2, "big")
        + b"\x01\x00\x01"
    )
    head = b"\x99" + len(body).to_bytes(2, "big")  # old format, tag 6, two octets of length
    return head + body, hashlib.sha1(head + body).hexdigest().upper()


def armored(raw: bytes) -> bytes:
    """The packet as a `.asc` or `.pub` file."""
    return (
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n" + base64.encodebytes(raw) + b"-----END PGP PUBLIC KEY BLOCK-----\n"
    )


KEY_A, KEY_B = packet(b"a"), packet(b"b")
