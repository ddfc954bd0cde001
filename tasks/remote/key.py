"""As root: fetch NVIDIA's repository key and install it only if it is exactly the pinned one."""

from __future__ import annotations

import os
import ssl
import sys
import tempfile
import urllib.request
from typing import List, Optional, Sequence

from . import lan, openpgp  # type: ignore[attr-defined]  # packed beside this file by tasks/rooted.py


def main(argv: Sequence[str]) -> None:
    """`URL FINGERPRINT FILE CACHE`. Ends with status 1 and one sentence where the key cannot be had or is another one."""
    url, pinned, path, cache = [*argv, ""][:4]
    try:
        data = lan.attempt(cache, lambda found: _got(url, pinned, found), (OSError, ValueError))
    except (OSError, ValueError) as error:
        sys.exit(
            "NVIDIA's key could not be fetched from %s (%s). Check the network, or set cuda_repository to a mirror, and run this again."
            % (url, error)
        )
    found = openpgp.fingerprints(data)
    if found != [pinned]:
        sys.exit(
            "The key at %s is %s, not the pinned %s: it was not installed. If your mirror signs with a key of its own, set cuda_key_fingerprint."
            % (url, ", ".join(found) or "no key", pinned)
        )
    os.makedirs(os.path.dirname(path), exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path))
    with os.fdopen(handle, "wb") as file:
        file.write(openpgp.dearmor(data))
    os.chmod(temporary, 0o644)
    os.replace(temporary, path)


def _got(url: str, pinned: str, found: Optional[lan.Lan]) -> bytes:
    """The file; another key than the pinned one out of a cache is none."""
    handlers: List[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})] if found else []
    handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context()))
    with urllib.request.build_opener(*handlers).open(found.to(url) if found else url, timeout=60) as answer:
        data: bytes = answer.read(1 << 20)
    if found and openpgp.fingerprints(data) != [pinned]:
        raise ValueError("the key there is another one")
    return data
