"""Gather every subject at once; a subject that fails is None and says why under `errors`."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, List

from . import (
    apt,
    exports,
    files,
    gpu,
    libraries,
    logs,
    owner,
    packages,
    releases,
    service,
    system,
    toolkit,
    weights,
    wsl,
)

SUBJECTS = {
    "system": system,
    "wsl": wsl,
    "gpu": gpu,
    "packages": packages,
    "apt": apt,
    "toolkit": toolkit,
    "exports": exports,
    "files": files,
    "owner": owner,
    "releases": releases,
    "libraries": libraries,
    "weights": weights,
    "service": service,
    "logs": logs,
}


def gather(query: Dict[str, Any]) -> Dict[str, Any]:
    """Observe all subjects side by side: most of the time goes to waiting for nvidia-smi, systemctl and shells."""
    errors: Dict[str, str] = {}
    try:
        query = dict(query, shell_ld_library_path=exports.own_library_path())
    except Exception as error:
        errors["library_path"] = "%s: %s" % (type(error).__name__, error)

    def one(name: str) -> Any:
        try:
            return SUBJECTS[name].observe(query)
        except Exception as error:  # a fact never fails
            errors[name] = "%s: %s" % (type(error).__name__, error)
            return None

    with ThreadPoolExecutor(len(SUBJECTS)) as pool:
        answers = dict(zip(SUBJECTS, pool.map(one, SUBJECTS)))
    return dict(answers, errors=errors)


def main(argv: List[str]) -> None:
    """Print the machine as one line of JSON; the argument is the query."""
    print(json.dumps(gather(json.loads(argv[0])), separators=(",", ":"), sort_keys=True))


if __name__ == "__main__":
    main(sys.argv[1:])
