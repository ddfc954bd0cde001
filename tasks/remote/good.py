"""What answered last, kept so that it can be started again."""

from __future__ import annotations

import os

from . import common

KEPT = ("plan.json", "environment")


def remember(root: str) -> None:
    """Keep what has just answered: release, start plan and environment."""
    answered, plan = common.load(root + "/service/answered") or {}, common.load(root + "/service/plan.json") or {}
    if answered.get("spec") != plan.get("spec"):
        return
    for name in KEPT:
        with open("%s/service/%s" % (root, name)) as file:
            common.write("%s/service/good/%s" % (root, name), file.read(), 0o600)
    common.write(root + "/service/good/release", os.readlink(root + "/current"))


def go_back(root: str) -> bool:
    """Put back what answered last; False where there is nothing else to go back to."""
    good = root + "/service/good"
    try:
        with open(good + "/release") as file:
            release = file.read()
        texts = {name: open("%s/%s" % (good, name)).read() for name in KEPT}
    except OSError:
        return False
    same = (common.load(good + "/plan.json") or {}).get("spec") == (common.load(root + "/service/plan.json") or {}).get(
        "spec"
    )
    if same or not os.path.exists("%s/%s/bin/vllm" % (root, release)):
        return False
    for name, text in texts.items():
        common.write("%s/service/%s" % (root, name), text, 0o600)
    common.link(root + "/current", release)
    return True
