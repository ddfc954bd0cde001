"""Observe a machine's part of the endpoint with one remote command."""

from __future__ import annotations

from facts.probed import Probed


class Gateway(Probed):
    """
    Returns what `facts/probe/gateway.py` saw, None where there is no python3. `query`: JSON text with `root` and `files`.

    .. code:: python

        {"nginx": True, "certificate": "-----BEGIN…", "unit": {...}, "current": True, "doors": [...], ...}
    """

    module = "probe.gateway"
