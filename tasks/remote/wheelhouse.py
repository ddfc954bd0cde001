"""What a cache keeps, to and from a folder."""

from __future__ import annotations

import os
import shutil

from . import common
from .cache import CARRIED


def give(root: str, wheelhouse: str) -> None:
    """Copy what the cache keeps to a folder; what is there already stays. Raises common.Failure where there is nothing to copy."""
    folder = root + "/cache-server"
    if not os.path.exists(folder + "/state/www/cache.json"):
        raise common.Failure(
            "there is no cache here. Run deploy/cache.py, set a workstation up through it, and run this again."
        )
    _copy(folder + "/data", wheelhouse + "/data")
    with open(folder + "/state/www/cache.json") as file:
        common.write(wheelhouse + "/cache.json", file.read(), 0o644)


def take(root: str, wheelhouse: str) -> None:
    """Copy what a wheelhouse holds into the cache. Raises common.Failure where it is none."""
    if common.load(wheelhouse + "/cache.json") is None:
        raise common.Failure(
            "%s is no wheelhouse. Make one with deploy/wheelhouse.py, or name the folder that it is in." % wheelhouse
        )
    _copy(wheelhouse + "/data", root + "/cache-server/data")
    with open(wheelhouse + "/cache.json") as file:
        common.write("%s/cache-server/%s" % (root, CARRIED), file.read(), 0o644)


def _copy(source: str, target: str) -> None:
    """Each file whole or not at all: a copy that is killed goes on with the next run."""
    for name in common.probe("cache").missing(source, target):
        path = os.path.join(target, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copyfile(os.path.join(source, name), path + ".part")
        os.replace(path + ".part", path)
