"""A lab's list of hosts as groups that pyinfra takes: `{group: [(host, data)]}`. Only text is read here, no file."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from plan import hosts_ansible, hosts_csv, hosts_yaml
from plan.hosts_common import Groups, HostsError
from plan.settings import FOREIGN_PREFIXES, Settings, SettingsError, read

READERS: dict[str, Callable[[str], Groups]] = {
    ".csv": hosts_csv.read, ".yaml": hosts_yaml.read, ".yml": hosts_yaml.read, ".ini": hosts_ansible.read_ini, "": hosts_ansible.read_ini,
}  # fmt: skip
WHOLE = ("ssh_port",)  # what pyinfra's connector wants as a number


def groups(text: str, suffix: str) -> Groups:
    """Groups out of a CSV, a YAML, or an Ansible inventory (INI or YAML). Raises HostsError, which says where and what to do.

    `suffix`: the file's, which tells the form; values become what the settings want ("8001" 8001, "true" True).
    """
    if suffix not in READERS:
        raise HostsError(f"a list of hosts ends in .csv, .yaml, .yml or .ini, not {suffix}. Rename it.")
    found = READERS[suffix](text)
    if not any(found.values()):
        raise HostsError("there is no host in it. Write one a line.")
    return {group: [(host, typed(host, data)) for host, data in hosts] for group, hosts in found.items()}


def typed(host: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """A host's data with each value as its setting wants it; empty ones are left to the defaults. Raises HostsError."""
    return {key: _value(host, key, value) for key, value in data.items() if value not in ("", None)}


def _value(host: str, key: str, value: Any) -> Any:
    if key in WHOLE:
        return _whole(host, key, value)
    if key.startswith(FOREIGN_PREFIXES):
        return value
    if key not in Settings.model_fields:
        near = difflib.get_close_matches(key, Settings.model_fields, 1)
        hint = (
            f"did you mean {near[0]}?" if near else "group_data/all.py lists all settings; start your own notes with x_"
        )
        raise HostsError(f"{host}: unknown column or key {key}: {hint}")
    words = None
    for candidate in _readings(value):
        try:
            read({key: candidate})
        except SettingsError as error:
            words = words or error
        else:
            return candidate
    raise HostsError(f"{host}: {words}")


def _readings(value: Any) -> Iterable[Any]:
    """What a value may mean: itself first, then what its text says."""
    yield value
    text = str(value).strip()
    if isinstance(value, str):
        for reading in (int, float):
            try:
                yield reading(text)
            except ValueError:
                continue
        if text.lower() in ("true", "yes", "false", "no"):
            yield text.lower() in ("true", "yes")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield text  # 12.8 without quotes, where a version is wanted


def _whole(host: str, key: str, value: Any) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise HostsError(f"{host}: {key} = {value!r} cannot be used: allowed is a whole number") from None
