"""A lab's list of hosts as groups that pyinfra takes: `{group: [(host, data)]}`. Only text is read here, no file."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from plan import hosts_csv, hosts_ini, hosts_yaml
from plan.hosts_common import Groups, HostsError, Sealed, place
from plan.settings import FOREIGN_PREFIXES, Settings, SettingsError, one

READERS: dict[str, Callable[[str], Groups]] = {
    ".csv": hosts_csv.read, ".yaml": hosts_yaml.read, ".yml": hosts_yaml.read, ".ini": hosts_ini.read, "": hosts_ini.read,
}  # fmt: skip
# What pyinfra's ssh connector takes, and as what (pyinfra 3.10; a unit test asks it).
SSH: dict[str, type] = {
    "ssh_hostname": str, "ssh_port": int, "ssh_user": str, "ssh_password": str, "ssh_key": str, "ssh_key_password": str,
    "ssh_allow_agent": bool, "ssh_look_for_keys": bool, "ssh_forward_agent": bool, "ssh_config_file": str,
    "ssh_known_hosts_file": str, "ssh_strict_host_key_checking": str, "ssh_connect_retries": int,
    "ssh_connect_retry_min_delay": float, "ssh_connect_retry_max_delay": float, "ssh_file_transfer_protocol": str,
}  # fmt: skip
WORDS = {int: "a whole number", float: "a number", bool: "true or false"}
YES, NO = ("true", "yes", "on"), ("false", "no", "off")


def groups(text: str, suffix: str) -> Groups:
    """Groups out of a CSV, a YAML, or an Ansible inventory (INI or YAML). Raises HostsError, which says where and what to do.

    `suffix`: the file's, which tells the form; values become what the settings want ("8001" 8001, "true" True).
    """
    if suffix not in READERS:
        raise HostsError(f"a list of hosts ends in .csv, .yaml, .yml or .ini, not {suffix}. Rename it.")
    found = READERS[suffix](text.lstrip("\ufeff"))  # which Windows puts before a text
    if not any(found.values()):
        raise HostsError("there is no host in it. Write one a line.")
    return {group: [(host, typed(host, data)) for host, data in hosts] for group, hosts in found.items()}


def typed(host: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """A host's data with each value as its setting wants it; empty ones are left to the defaults. Raises HostsError."""
    return {key: _value(host, key, value) for key, value in data.items() if value not in ("", None)}


def _value(host: str, key: str, value: Any) -> Any:
    where = f"{place(value)}{host}"
    if isinstance(value, Sealed):
        raise HostsError(f"{where}: {key} is {value}, which only Ansible can read. Write the value itself.")
    if key.startswith("ssh_"):
        return _of_ssh(where, key, value)
    if key.startswith("_"):  # pyinfra's own arguments, such as _sudo
        return next((reading for reading in _readings(value) if isinstance(reading, bool)), value)
    if key.startswith(FOREIGN_PREFIXES):
        return str(value) if isinstance(value, str) else value
    if key not in Settings.model_fields:
        words = "group_data/all.py lists all settings; start your own notes with x_"
        raise HostsError(f"{where}: unknown column or key {key}: {_near(key, Settings.model_fields) or words}")
    words = ""
    for candidate in _readings(value):
        try:
            one(key, candidate)  # what settings may be together is seen where all of a host's are known
        except SettingsError as error:
            words = words or str(error)
        else:
            return candidate
    raise HostsError(f"{where}: {words}")


def _of_ssh(where: str, key: str, value: Any) -> Any:
    if key not in SSH:
        raise HostsError(f"{where}: unknown column or key {key}: {_near(key, SSH) or 'allowed are ' + ', '.join(SSH)}")
    wanted = SSH[key]
    for candidate in _readings(value):
        if type(candidate) is wanted:
            return candidate
        if wanted is float and type(candidate) is int:
            return float(candidate)
    raise HostsError(f"{where}: {key} = {value!r} cannot be used: allowed is {WORDS.get(wanted, 'text')}")


def _near(key: str, known: Iterable[str]) -> str | None:
    near = difflib.get_close_matches(key, list(known), 1)
    return f"did you mean {near[0]}?" if near else None


def _readings(value: Any) -> Iterator[Any]:
    """What a text may mean: itself first, then the number or the truth that it names. Anything else is itself."""
    if not isinstance(value, str):
        yield value
        return
    text = str(value).strip()
    yield text
    for reading in (int, float):
        try:
            yield reading(text)
        except ValueError:
            continue
    if text.lower() in (*YES, *NO):
        yield text.lower() in YES
