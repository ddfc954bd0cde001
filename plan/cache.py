"""One machine that keeps what the others download: which sites, and the files that make it. Pure: text and digests."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from plan import release, toml
from plan.place import Place
from plan.service import TEMPLATES, Text
from plan.settings import Settings

UNIT = "vllm-workstation-cache.service"
UNIT_FILE = f".config/systemd/user/{UNIT}"
PORT = 8420
SLICE_MIB = 32  # files are fetched and kept in pieces: a cut one goes on, and who waits for a piece does not wait long
# Who may ask: private networks (RFC 1918, 4193, 3927, 4291, and 6598 for overlays such as Tailscale's).
NEAR = (
    "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10", "::1", "fc00::/7", "fe80::/10",
)  # fmt: skip
_ORIGIN = re.compile(r"(https?://[A-Za-z0-9.-]+(?::\d+)?)(?=/|$)")


@cache
def _table() -> dict[str, Any]:
    return toml.table("cache")


def address(settings: Settings) -> tuple[str, int] | None:
    """Name and port of the cache that the setting names; None where there is none."""
    if not settings.cache:
        return None
    name, _, port = settings.cache.partition(":")
    return name, int(port or PORT)


def sites(settings: Settings) -> list[str]:
    """`https://NAME` of everything that releases and settings name, sorted."""
    urls = [settings.hf_endpoint, settings.cuda_repository, settings.find_links, *_table()["sites"]]
    urls += [index for one in release.catalogue() for index in one.indexes]
    return sorted({found[1].lower() for url in urls if (found := _ORIGIN.match(url))})


def files(place: Place, settings: Settings, port: int) -> list[Text]:
    """Everything that makes the cache."""
    folder = f"{place.root}/cache-server"
    asked = {"sites": sites(settings), "below": _table()["below"], "offline": bool(settings.wheelhouse)}
    context = {
        "folder": folder, "root_user": place.uid == 0, "port": port, "near": NEAR, "size_gib": settings.cache_gib, "slice_mib": SLICE_MIB,
    }  # fmt: skip
    return [
        Text(path=f"{folder}/sites.json", content=json.dumps(asked, indent=1) + "\n"),
        Text(path=f"{folder}/nginx.conf", content=TEMPLATES.get_template("cache.nginx.conf.j2").render(context)),
        Text(
            path=f"{place.home}/{UNIT_FILE}",
            content=TEMPLATES.get_template(f"{UNIT}.j2").render({"root": place.root, "folder": folder}),
        ),
    ]


def digest(files: Sequence[Text]) -> str:
    """What tells one state of the files from another (the same as facts/probe/cache.py's)."""
    told = json.dumps(sorted((text.path.rpartition("/")[2], text.sha256) for text in files))
    return hashlib.sha256(told.encode()).hexdigest()[:16]
