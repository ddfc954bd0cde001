"""Observe a lab's cache with one remote command."""

from __future__ import annotations

from facts.probed import Probed


class Cache(Probed):
    """
    Returns what `facts/probe/cache.py` saw, None where there is no python3. `query`: JSON text with `root` and `wheelhouse`.

    .. code:: python

        {"nginx": True, "files": {...}, "unit": {...}, "running": "…", ...}
    """

    module = "probe.cache"
