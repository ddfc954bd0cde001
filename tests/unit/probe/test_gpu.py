"""nvidia-smi's answers, good and bad, and NVIDIA hardware on the PCI bus."""

from __future__ import annotations

from pathlib import Path

import pytest

from facts.probe import gpu
from tests.unit.recorded import Recording, cases, recordings

QUERIES = {"as header-units": "header-units", "as noheader-nounits": "noheader-nounits"}
IN_CSV = {
    "memory_total_mib": "memory_total_mib",
    "memory_free_mib": "memory_free_mib",
    "driver_version": "driver",
    "compute_cap": "compute_capability",
}


def fields(row: Recording) -> str:
    """The --query-gpu list that a recording was made with."""
    command = row.command
    if command in QUERIES:
        command = next(
            r.command for r in recordings("nvidia-smi-csv") if r.file == f"nvidia-smi-csv/{QUERIES[command]}.txt"
        )
    return command.partition("--query-gpu=")[2].split(" ")[0]


# What the probe reads is the plain table; `--version` and `-L` are other programs' food.
PLAIN = [row for row in recordings("nvidia-smi", "driver", "cuda") if "--version" not in row.command]
WITH_INDEX = [row for row in recordings("nvidia-smi-csv") if fields(row).startswith("index,")]


@pytest.mark.parametrize("row", cases(PLAIN))
def test_banner(row: Recording) -> None:
    found = gpu.parse_banner(row.text)
    assert (found["driver"], found["cuda"], found["smi"]) == (
        row.expect["driver"],
        row.expect["cuda"],
        row.expect.get("smi_version"),
    )


@pytest.mark.parametrize("row", cases(recordings("nvidia-smi", "error")))
def test_failure_is_the_first_line_and_the_banner_is_empty(row: Recording) -> None:
    assert gpu.failure(row.text, "") == row.text.splitlines()[0]
    assert gpu.failure("", row.text) == row.text.splitlines()[0]
    assert set(gpu.parse_banner(row.text).values()) == {None}


@pytest.mark.parametrize("row", cases([row for row in PLAIN if "-q" not in row.command]))
def test_a_good_banner_is_no_failure(row: Recording) -> None:
    assert gpu.failure(row.text, "") is None


@pytest.mark.parametrize("row", cases(WITH_INDEX))
def test_csv(row: Recording) -> None:
    found = gpu.parse_query(row.text, fields(row))
    rows = row.expect.get("rows", [])
    assert len(found) == row.expect.get("count", len(rows))
    assert [card["index"] for card in found] == list(range(len(found)))
    assert {card["name"] for card in found} == {"NVIDIA H200"}
    assert {card["memory_total_mib"] for card in found} == {143771}
    for card, expected in zip(found, rows, strict=False):
        if isinstance(expected, dict):
            seen = {IN_CSV[key]: value for key, value in expected.items() if key in IN_CSV}
            assert {key: card[key] for key in seen} == seen
            assert card["uuid"] == expected["uuid"]


@pytest.mark.parametrize("row", cases(recordings("nvidia-smi-csv", "error") + recordings("nvidia-smi", "error")))
def test_csv_of_a_failure_is_empty(row: Recording) -> None:
    assert gpu.parse_query(row.text) == []


@pytest.mark.parametrize("cell", ["[N/A]", "[Not Supported]", "[Unknown Error]", ""])
def test_unknown_cells_are_none(cell: str) -> None:
    (card,) = gpu.parse_query(
        f"0, {cell}, NVIDIA Tegra, {cell}, {cell}, {cell}, {cell}, {cell}, {cell}, {cell}, {cell}"
    )
    assert card.pop("index") == 0
    assert card.pop("name") == "NVIDIA Tegra"
    assert set(card.values()) == {None}


def fake_smi(folder: Path, script: str) -> str:
    """An executable that answers as nvidia-smi would."""
    path = folder / "nvidia-smi"
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)
    return str(path)


def test_ask_of_an_old_program_that_knows_no_compute_cap(tmp_path: Path) -> None:
    smi = fake_smi(
        tmp_path,
        'case "$*" in\n *compute_cap*) echo \'Field "compute_cap" is not a valid field to query.\'; exit 2;;\n'
        ' *query-gpu*) echo "0, GPU-1, NVIDIA GeForce RTX 3090, 24576, 24000, 470.10, 4, 16, 1, 8";;\nesac\n',
    )
    found = gpu._ask(smi)
    assert found["error"] is None
    assert (
        found["devices"][0]["compute_capability"],
        found["devices"][0]["driver"],
        found["devices"][0]["pcie_width"],
    ) == (None, "470.10", 16)


@pytest.mark.parametrize("row", cases(recordings("nvidia-smi", "error", "rc")))
def test_ask_of_a_program_that_fails(row: Recording, tmp_path: Path) -> None:
    (tmp_path / "words").write_text(row.text)
    found = gpu._ask(fake_smi(tmp_path, f'cat "{tmp_path}/words"; exit {row.expect["rc"]}\n'))
    assert (found["devices"], found["error"]) == ([], row.text.splitlines()[0])


def test_the_links_width_and_generation_now_and_at_most() -> None:
    (found,) = gpu.parse_query("0, GPU-1, NVIDIA GeForce RTX 4070, 12282, 11000, 580.1, 8.9, 4, 16, 1, 8")
    assert [found[key] for key in ("pcie_generation", "pcie_width", "pcie_generation_now", "pcie_width_now")] == [
        4,
        16,
        1,
        8,
    ]


def test_pci_devices(tmp_path: Path) -> None:
    drivers = tmp_path / "drivers" / "nvidia"
    drivers.mkdir(parents=True)
    bus = {
        "0000:01:00.0": ("0x10de", "0x030000"),
        "0000:01:00.1": ("0x10de", "0x040300"),
        "0000:00:02.0": ("0x8086", "0x030000"),
        "0000:02:00.0": ("0x10de", "0x030200"),
    }
    for address, (vendor, kind) in bus.items():
        base = tmp_path / "devices" / address
        base.mkdir(parents=True)
        for name, text in (("vendor", vendor), ("class", kind), ("device", "0x2684")):
            (base / name).write_text(text + "\n")
    (tmp_path / "devices" / "0000:01:00.0" / "driver").symlink_to(drivers)
    assert gpu.pci_devices(str(tmp_path / "devices")) == [
        {"address": "0000:01:00.0", "device": "0x2684", "driver": "nvidia"},
        {"address": "0000:02:00.0", "device": "0x2684", "driver": None},
    ]
