"""The command line that is told for the hosts that are left."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tasks.repeat import FLAGS, HIDDEN, MOST, command

ARGV = ["/x/.venv/bin/pyinfra", "-y", "inventory.py", "deploy/full.py"]
CASES = [
    (ARGV, ["a"], "./run pyinfra -y inventory.py deploy/full.py --limit a"),
    (
        [*ARGV, "--limit", "pc-*", "--limit=x", "--exclude", "y"],
        ["a", "b"],
        "./run pyinfra -y inventory.py deploy/full.py --limit a --limit b",
    ),
    ([*ARGV, "--data", "canary=1"], ["a"], "./run pyinfra -y inventory.py deploy/full.py --data canary=1 --limit a"),
    ([*ARGV, "--ssh-password", "hush"], ["a"], "./run pyinfra -y inventory.py deploy/full.py --limit a"),
    ([*ARGV, "--ssh-password=hush"], ["a"], "./run pyinfra -y inventory.py deploy/full.py --limit a"),
    ([*ARGV, "--password", "hush"], ["a"], "./run pyinfra -y inventory.py deploy/full.py --limit a"),
    ([*ARGV, "--password=hush"], ["a"], "./run pyinfra -y inventory.py deploy/full.py --limit a"),
    ([*ARGV, "--key-password", "hush"], ["a"], "./run pyinfra -y inventory.py deploy/full.py --limit a"),
    ([*ARGV, "--data", "find_links=https://me:hush@x/y"], ["a"], "./run pyinfra -y inventory.py deploy/full.py --limit a"),
    ([*ARGV, "--data=hf_endpoint=https://me:hush@x/y"], ["a"], "./run pyinfra -y inventory.py deploy/full.py --limit a"),
    (
        [*ARGV, "--use-sudo-password", "--data", "find_links=https://x/y@z"],
        ["a"],
        "./run pyinfra -y inventory.py deploy/full.py --use-sudo-password --data find_links=https://x/y@z --limit a",
    ),
    ([*ARGV, "--data", "_sudo_password=hush"], ["a"], "./run pyinfra -y inventory.py deploy/full.py --limit a"),
    (
        [*ARGV, "--data", "report=my folder"],
        ["a"],
        "./run pyinfra -y inventory.py deploy/full.py --data 'report=my folder' --limit a",
    ),
    (ARGV, [], None),
    (ARGV, ["a"] * (MOST + 1), None),
    ([*ARGV, "--limit"], ["a"], "./run pyinfra -y inventory.py deploy/full.py --limit a"),
]


@pytest.mark.parametrize(("argv", "hosts", "expected"), CASES)
def test_command(argv: list[str], hosts: list[str], expected: str | None) -> None:
    assert command(argv, hosts) == expected


OPTIONS = """
from pyinfra_cli.cli import cli
print([(name, one.is_flag) for one in cli.params if one.param_type_name == "option" for name in one.opts])
"""


def test_every_option_of_pyinfras_is_known() -> None:
    """What it calls a password is left out, with its value; what only asks for one has none."""
    told = subprocess.run([sys.executable, "-c", OPTIONS], capture_output=True, check=True, timeout=60).stdout
    options: list[tuple[str, bool]] = ast.literal_eval(told.decode())
    named = [(name, flag) for name, flag in options if any(part in name for part in HIDDEN)]
    assert len(named) > 5
    for name, flag in named:
        assert (name in FLAGS) is flag, name
        assert "hush" not in str(command([*ARGV, *([name] if flag else [name, "hush"])], ["a"]))
