"""A lab's list of hosts, out of a file, for inventory.py."""

from __future__ import annotations

from pathlib import Path

from plan import hosts
from plan.hosts_common import Groups, HostsError


def groups(path: str) -> Groups:
    """Groups of a CSV, a YAML or an Ansible inventory, for `globals().update(hosts.groups("lab.csv"))`. Raises SystemExit, which says why."""
    file = Path(path).expanduser()
    try:
        return hosts.groups(file.read_text(encoding="utf-8"), file.suffix.lower())
    except HostsError as error:
        raise SystemExit(f"{path}: {error}") from None
    except UnicodeDecodeError:
        raise SystemExit(f"{path}: it is not UTF-8 text. Save it as UTF-8 (in a spreadsheet: CSV UTF-8).") from None
    except OSError as error:
        raise SystemExit(f"{path} cannot be read: {error.strerror}. Name the lab's list in inventory.py.") from None
