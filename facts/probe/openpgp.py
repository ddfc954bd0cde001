"""Fingerprints of OpenPGP public keys, without gpg (RFC 4880: packets, section 4.2; v4 fingerprints, section 12.2)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Iterator, List, Tuple

PUBLIC_KEY = 6


def dearmor(data: bytes) -> bytes:
    """Binary packets of an armored key; binary input comes back as it is. Raises ValueError on broken armor."""
    if b"-----BEGIN PGP PUBLIC KEY BLOCK-----" not in data:
        return data
    out = b""
    for block in re.findall(rb"-----BEGIN PGP PUBLIC KEY BLOCK-----(.*?)-----END", data, re.S):
        body = re.split(rb"\r?\n[ \t]*\r?\n", block, maxsplit=1)[-1]
        lines = [line.strip() for line in body.splitlines() if line.strip() and not line.startswith(b"=")]
        try:
            out += base64.b64decode(b"".join(lines), validate=True)
        except binascii.Error as error:
            raise ValueError("broken key armor: %s" % error) from error
    return out


def packets(data: bytes) -> Iterator[Tuple[int, bytes]]:
    """(tag, body) of each packet; stops at the first thing that is no packet."""
    at = 0
    while at < len(data) and data[at] & 0x80:
        head = data[at]
        if head & 0x40:
            tag, size, skip = head & 0x3F, *_new_length(data, at + 1)
        else:
            width = (1, 2, 4, 0)[head & 3]
            tag, skip = (head >> 2) & 0x0F, 1 + width
            size = int.from_bytes(data[at + 1 : at + skip], "big") if width else len(data) - at - 1
        yield tag, data[at + skip : at + skip + size]
        at += skip + size


def _new_length(data: bytes, at: int) -> Tuple[int, int]:
    first = data[at] if at < len(data) else 0
    if first < 192:
        return first, 2
    if first < 224:
        return ((first - 192) << 8) + int.from_bytes(data[at + 1 : at + 2], "big") + 192, 3
    return int.from_bytes(data[at + 1 : at + 5], "big"), 6


def fingerprints(data: bytes) -> List[str]:
    """Upper-case hex fingerprints of the primary v4 keys in a keyring, armored or not; empty where there is none."""
    try:
        raw = dearmor(data)
    except ValueError:
        return []
    found = []
    for tag, body in packets(raw):
        if tag == PUBLIC_KEY and body[:1] == b"\x04":
            found.append(hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body).hexdigest().upper())
    return found
