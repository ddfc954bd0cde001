"""The command line that is told for the hosts that are left."""

from __future__ import annotations

import pytest

from tasks.repeat import MOST, command

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
