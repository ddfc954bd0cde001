"""apt's sources of NVIDIA's CUDA packages, and the keys they are signed with."""

from __future__ import annotations

import glob
import re
from typing import Any, Dict, List, Optional

from . import openpgp, shell

CUDA = re.compile(r"/compute/cuda/repos/")


def _cuda(uri: str, repository: str) -> bool:
    """Whether a source is NVIDIA's CUDA repository or the lab's mirror of it."""
    return bool(CUDA.search(uri)) or bool(repository and uri.startswith(repository.rstrip("/") + "/"))


def parse_list(text: str, repository: str = "") -> List[Dict[str, Any]]:
    """CUDA lines of a one-line-style source file: `line` (from 1), `enabled`, `uri`, `suite`, `signed_by`."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r"^\s*(#\s*)?deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)", line)
        if match and _cuda(match.group(3), repository):
            options = match.group(2) or ""
            signed = re.search(r"signed-by=(\S+)", options, re.I)
            found.append(
                {
                    "line": number,
                    "enabled": not match.group(1),
                    "uri": match.group(3),
                    "suite": match.group(4),
                    "signed_by": signed.group(1) if signed else None,
                }
            )
    return found


def parse_sources(text: str, repository: str = "") -> List[Dict[str, Any]]:
    """CUDA stanzas of a deb822 source file, in the same shape; `line` is where the stanza starts."""
    found = []
    line = 1
    for stanza in re.split(r"(\n\s*\n)", text):
        fields = {k.lower(): v.strip() for k, v in re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", stanza, re.M)}
        if _cuda(fields.get("uris", ""), repository):
            found.append(
                {
                    "line": line,
                    "enabled": fields.get("enabled", "yes").lower()
                    not in ("no", "false", "without", "off", "disable", "0"),
                    "uri": fields["uris"],
                    "suite": fields.get("suites", ""),
                    "signed_by": fields.get("signed-by") or None,
                }
            )
        line += stanza.count("\n")
    return found


def sources(repository: str) -> List[Dict[str, Any]]:
    """Every CUDA source that apt reads, with its file."""
    found = []
    for path in ["/etc/apt/sources.list"] + sorted(glob.glob("/etc/apt/sources.list.d/*")):
        text = shell.read(path)
        if text is not None and path.endswith((".list", ".sources")):
            parse = parse_sources if path.endswith(".sources") else parse_list
            found += [dict(source, file=path) for source in parse(text, repository)]
    return found


def keys() -> Dict[str, List[str]]:
    """Fingerprints in every keyring that apt trusts or a CUDA source could name."""
    found = {}
    patterns = (
        "/etc/apt/trusted.gpg",
        "/etc/apt/trusted.gpg.d/*",
        "/etc/apt/keyrings/*cuda*",
        "/usr/share/keyrings/*cuda*",
    )
    for path in sorted(p for pattern in patterns for p in glob.glob(pattern)):
        data: Optional[bytes] = shell.read_bytes(path)
        if data:
            found[path] = openpgp.fingerprints(data)
    return found


def observe(query: Dict[str, Any]) -> Dict[str, Any]:
    """Everything of this subject."""
    repository = query.get("repository") or ""
    own = repository.partition("://")[2].strip("/").replace("/", "_") or "compute_cuda_repos"
    lists = [name for name in shell.listing("/var/lib/apt/lists") if "compute_cuda_repos" in name or own in name]
    return {
        "cuda_sources": sources(repository),
        "keys": keys(),
        "cuda_lists": bool(lists),
        "lists": bool(glob.glob("/var/lib/apt/lists/*Packages*")),
    }
