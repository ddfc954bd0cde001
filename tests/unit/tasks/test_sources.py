"""Switching off apt sources, read back by the probe; and whether one pass of the plan is enough."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api import StringCommand

from facts.probe import apt
from plan import toolkit
from plan.machine import Machine
from plan.settings import REPOSITORY, Settings
from plan.toolkit import KEYRING
from tasks import cuda, rooted
from tasks.remote import sources
from tests.unit.machines import RTX_4090, changed, machine
from tests.unit.plan.test_toolkit import OLD

WSL, OTHER = f"{REPOSITORY}/wsl-ubuntu/x86_64/", f"{REPOSITORY}/ubuntu2404/x86_64/"
LINE, OTHER_LINE = f"deb [signed-by={KEYRING}] {WSL} /\n", f"deb [signed-by=/k.gpg] {OTHER} /\n"
STANZA = f"Types: deb\nURIs: {WSL}\nSuites: /\nSigned-By: {KEYRING}\n"
DEBIAN = "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n"
# (text, lines, whether deb822, after)
FILES: list[tuple[str, list[int], bool, str]] = [
    (LINE, [1], False, sources.MARK + LINE),
    (f"# mine\n{LINE}{OTHER_LINE}", [3], False, f"# mine\n{LINE}{sources.MARK}{OTHER_LINE}"),
    (f"{LINE}{OTHER_LINE}".rstrip("\n"), [1, 2], False, f"{sources.MARK}{LINE}{sources.MARK}{OTHER_LINE}".rstrip("\n")),
    (STANZA, [1], True, "Enabled: no\n" + STANZA),
    (f"{DEBIAN}\n{STANZA}", [6], True, f"{DEBIAN}\nEnabled: no\n{STANZA}"),
    (f"{STANZA}\n{DEBIAN}", [1], True, f"Enabled: no\n{STANZA}\n{DEBIAN}"),
    (f"# a\n# b\n{STANZA}Enabled: yes\n\n{DEBIAN}", [1], True, f"# a\n# b\nEnabled: no\n{STANZA}\n{DEBIAN}"),
    (f"{STANZA}\n{STANZA}", [1, 6], True, f"Enabled: no\n{STANZA}\nEnabled: no\n{STANZA}"),
]


def parse(text: str, deb822: bool) -> list[dict[str, Any]]:
    """CUDA sources as the probe sees them."""
    return apt.parse_sources(text) if deb822 else apt.parse_list(text)


@pytest.mark.parametrize(("text", "lines", "deb822", "after"), FILES)
def test_exactly_those_lines(text: str, lines: list[int], deb822: bool, after: str) -> None:
    assert sources.disable(text, lines, deb822) == after


@pytest.mark.parametrize(("text", "lines", "deb822", "after"), FILES)
def test_the_probe_sees_them_off_and_the_others_as_they_were(
    text: str, lines: list[int], deb822: bool, after: str
) -> None:
    before = parse(text, deb822)
    assert [row["line"] for row in before if row["line"] in lines] == lines
    on = [row["uri"] for row in parse(after, deb822) if row["enabled"]]
    assert on == [row["uri"] for row in before if row["enabled"] and row["line"] not in lines]


@pytest.mark.parametrize("name", ["cuda.list", "cuda.sources"])
def test_the_command_keeps_the_mode_and_leaves_nothing_beside(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(LINE if name == "cuda.list" else STANZA)
    path.chmod(0o640)
    command = rooted.program("sources", str(path), "1").get_raw_value()
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == f"{path}: 1 disabled\n"
    assert path.read_text() == (sources.MARK + LINE if name == "cuda.list" else "Enabled: no\n" + STANZA)
    assert (path.stat().st_mode & 0o777, [entry.name for entry in tmp_path.iterdir()]) == (0o640, [name])


FOLDER = "/etc/apt/sources.list.d/"
OURS = f"{FOLDER}cuda-wsl-ubuntu-x86_64.list"
# Files under sources.list.d before a run; the right key is in KEYRING.
STATES: dict[str, dict[str, str]] = {
    "nothing": {},
    "ours": {"cuda-wsl-ubuntu-x86_64.list": LINE},
    "a person's file": {"cuda.list": LINE},
    "a person's file and one in the way": {"cuda.list": LINE, "other.list": OTHER_LINE},
    "a person's stanza and one in the way": {"nvidia.sources": STANZA, "other.list": OTHER_LINE},
    "twice": {"cuda.list": LINE, "cuda-wsl-ubuntu-x86_64.list": LINE},
    "unsigned": {"cuda.list": f"deb {WSL} /\n"},
    "ours switched off": {"cuda-wsl-ubuntu-x86_64.list": f"# {LINE}"},
    "ours unsigned": {"cuda-wsl-ubuntu-x86_64.list": f"deb {WSL} /\n{OTHER_LINE}"},
}  # fmt: skip


def seen(files: dict[str, str]) -> Machine:
    """The machine with those files."""
    rows = [
        dict(row, file=FOLDER + name) for name in sorted(files) for row in parse(files[name], name.endswith(".sources"))
    ]
    return changed(machine(RTX_4090, wsl=2), "apt", cuda_sources=rows, keys={KEYRING: [OLD]}, cuda_lists=True)


def set_up(files: dict[str, str], folder: Path) -> dict[str, str]:
    """The files after the product's own commands for such a machine ran, in a folder instead of apt's."""
    before = seen(files)
    wanted = toolkit.choose(before, Settings(), "12.8")
    assert wanted is not None
    if toolkit.source_ready(before, wanted):
        return files
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    ws: Any = SimpleNamespace(machine=before, as_root=StringCommand)
    for command in cuda._set_up(ws, wanted):
        subprocess.run(
            ["sh", "-c", command.get_raw_value().replace(FOLDER, f"{folder}/")], check=True, capture_output=True
        )
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize("name", STATES)
def test_one_pass_is_enough_and_leaves_the_repository_enabled_once(name: str, tmp_path: Path) -> None:
    once = set_up(STATES[name], tmp_path / "one")
    assert [source.uri for source in seen(once).apt.cuda_sources if source.enabled] == [WSL]
    assert set_up(once, tmp_path / "two") == once
