"""Certificates and keys of the endpoint: made on the machine that they are of; no private key leaves it."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
from typing import List

from . import common, serve

NAME = "vllm-workstation"
DAYS = 3650


def make(root: str, names: str) -> None:
    """What is missing of this machine's identity and, with `names` (apart by spaces), of the certificate that clients see."""
    folder = root + "/gateway"
    with common.alone(root):
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if not _sound(folder + "/identity") or common.probe("gateway").certificate(folder) is None:
            _certificate(folder + "/identity", [NAME])
        if names:
            _named(folder, names.split())
            _clients(folder)


def _named(folder: str, names: List[str]) -> None:
    """The gateway's own certificate, made again where clients know it by other names."""
    if common.load(folder + "/server.json") != names or not _sound(folder + "/server"):
        _certificate(folder + "/server", names)
        common.write(folder + "/server.json", '["%s"]' % '", "'.join(names), 0o600)


def _sound(path: str) -> bool:
    """Whether certificate and key are there and belong together."""
    texts = [
        _openssl("x509", "-in", path + ".crt", "-noout", "-pubkey"),
        _openssl("pkey", "-in", path + ".key", "-pubout"),
    ]
    return bool(texts[0]) and texts[0] == texts[1] and os.stat(path + ".key").st_mode & 0o77 == 0


def _openssl(*words: str) -> str:
    done = subprocess.run(
        ["openssl", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    return done.stdout.decode() if done.returncode == 0 else ""


def _certificate(path: str, names: List[str]) -> None:
    told = ",".join(("IP:" if re.fullmatch(r"[0-9.]+|.*:.*", name) else "DNS:") + name for name in names)
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    argv += ["-days", str(DAYS), "-subj", "/CN=" + names[0][:64], "-addext", "subjectAltName=" + told]
    new = path + ".new"
    done = subprocess.run(
        argv + ["-keyout", new + ".key", "-out", new + ".crt"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if done.returncode:
        words = done.stdout.decode("utf-8", "replace").strip().splitlines()
        raise common.Failure(
            "no certificate could be made: %s. Install openssl and run this again." % (words or ["?"])[-1]
        )
    os.chmod(new + ".key", 0o600)
    os.replace(new + ".key", path + ".key")
    os.replace(new + ".crt", path + ".crt")


def _clients(folder: str) -> None:
    """The key that clients of the gateway send; made once, and as nginx compares it (a plain map would ignore its case)."""
    path = folder + "/key"
    try:
        with open(path) as file:
            key = file.read().strip()
    except OSError:
        key = ""
    if key and not re.fullmatch(r"[A-Za-z0-9_.+/=-]{16,200}", key):
        raise common.Failure(
            "%s holds no key that can be used: allowed are 16 to 200 of A-Z a-z 0-9 and . _ - + / =. Mend it, or remove it for a new one."
            % path
        )
    if not key:
        key = "sk-" + secrets.token_urlsafe(32)
        common.write(path, key + "\n", 0o600)
    os.chmod(path, 0o600)
    pattern = "~^Bearer %s$" % re.sub(r"([.+])", r"\\\1", key)
    text = 'map $http_authorization $client {\n  default "";\n  "%s" 1;\n}\n' % pattern
    common.write(folder + "/clients.conf", text, 0o600)


def server_key(root: str) -> None:
    """The workstation's own key for its door, where nginx reads it; it stays on this machine."""
    key = serve.key(root)
    if not re.fullmatch(r"[A-Za-z0-9_.:/+=-]+", key):
        raise common.Failure(
            "service/api-key holds characters that nginx cannot send. Remove it and run deploy/full.py again."
        )
    common.write(root + "/gateway/server-key.conf", _header(key), 0o600)


def _header(key: str) -> str:
    return 'proxy_set_header Authorization "Bearer %s";\n' % key


def refresh(root: str) -> bool:
    """Send the key that the server was started with, where the door still sends another; whether that was so."""
    key, sent = common.text(root + "/service/api-key").strip(), common.text(root + "/gateway/server-key.conf")
    if not key or not sent or sent == _header(key):
        return False
    try:
        server_key(root)
    except common.Failure as failure:
        common.log(str(failure))
        return False
    return True
