"""Which parts are asked for, and which vLLM they were proven on. Needs neither torch nor vLLM."""

PARTS = ("embedding", "repack", "load", "rope")
PROVEN = ("0.24.0",)


def asked(value: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The known parts that the comma-separated value names, in the order of PARTS, and the names that are none."""
    names = {name.strip() for name in value.split(",")} - {""}
    return tuple(part for part in PARTS if part in names), tuple(sorted(names - set(PARTS)))


def is_proven(version: str) -> bool:
    """Whether this release was tried. A build's label (0.24.0+cu129) is the same source; a post-release is not."""
    return version.partition("+")[0] in PROVEN
