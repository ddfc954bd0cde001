"""Replaced for each wheel by standins/indexes.py."""

__version__ = "0"
cuda: str | None = None
