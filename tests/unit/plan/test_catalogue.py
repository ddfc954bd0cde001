"""plan/releases.toml: what its rows say agrees with itself, and each is the best choice somewhere."""

from __future__ import annotations

import itertools
import re

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from plan import release
from plan.release import Release
from plan.toml import table

ROWS = [row for row in release.catalogue() if row.engine == "cuda"]
ASKED = release.asked()
BOTH = [*ROWS, *ASKED]
# PyTorch that a release pins -> CUDA that the registry's build of it brings.
CUDA = {"2.7.1": "12.6", "2.9.0": "12.8", "2.10.0": "12.8", "2.11.0": "13.0", "2.13.0": "13.0", "2.14.0": "13.0"}
WORDS = {"wsl", "offload", "tools", "tensor-parallel", "async-scheduling"}


@pytest.mark.parametrize("row", BOTH, ids=lambda row: row.name)
def test_row(row: Release) -> None:
    assert row.cuda and row.torch and row.note and row.disk_gib > 0
    assert row.evidence in ("measured", "read", "reported")
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", row.date)
    assert Version(row.driver) == Version("580" if row.cuda.startswith("13.") else "525.60.13")
    assert row.capability == "8.0"
    assert row.pythons[0] == "3.12", "what uv brings where the system has none that suits"
    assert len(set(row.pythons)) == len(row.pythons)
    requirement, *more = (Requirement(text) for text in row.requirements)
    assert requirement.name == "vllm" and str(requirement.specifier) == f"=={row.version}"
    assert row.indexes or (row.torch in CUDA and CUDA[row.torch] == row.cuda)
    assert not [one for one in more if one.name == "torch" and str(one.specifier) != f"=={row.torch}+cu129"]
    assert row.index_strategy == ("unsafe-best-match" if row.indexes else "first-index")
    assert row.offload.native or not row.offload.wsl


@pytest.mark.parametrize("row", BOTH, ids=lambda row: row.name)
def test_what_lacks_offload_says_why(row: Release) -> None:
    said = [set(defect.applies) for defect in row.defects]
    assert row.offload.native or {"offload"} in said
    assert not row.offload.native or row.offload.wsl or {"offload", "wsl"} in said


@pytest.mark.parametrize("row", BOTH, ids=lambda row: row.name)
def test_defects(row: Release) -> None:
    assert len({defect.id for defect in row.defects}) == len(row.defects)
    for defect in row.defects:
        assert defect.text and not defect.text.endswith(".")
        assert all(word in WORDS or re.fullmatch(r"sm_\d+\.\d", word) for word in defect.applies)


@pytest.mark.parametrize("rows", [[row for row in ROWS if not row.ordered], ASKED], ids=["release", "asked"])
def test_newest_first(rows: list[Release]) -> None:
    versions = [Version(row.version.public) for row in rows]
    assert versions == sorted(versions, reverse=True)


def test_names_are_used_once() -> None:
    names = [row.name for row in [*release.catalogue(), *ASKED]]
    assert len(set(names)) == len(names)


def test_decode_graphs_are_asked_for_where_the_option_has_a_form() -> None:
    (form,) = [row for row in table("flags")["option"] if row["name"] == "compilation_config"]
    for row in BOTH:
        assert row.graphs == (Version(row.version.public) >= Version(form["since"])), row.name


def wins() -> set[str]:
    """Rows that are the first to suit some machine."""
    found = set()
    drivers, pythons = ("535.183.01", "580.95.05"), ("3.10", "3.11", "3.12", "3.13", "3.14")
    needs = itertools.product(drivers, pythons, (None, "native", "wsl"), (False, True), (False, True))
    for driver, python, place, plugin, registry_only in needs:
        for row in ROWS:
            suits = Version(driver) >= Version(row.driver) and python in row.pythons
            offloads = place is None or bool(getattr(row.offload, place))
            if suits and offloads and (row.plugin or not plugin) and not (registry_only and row.indexes):
                found.add(row.name)
                break
    return found


def test_every_row_is_the_best_choice_somewhere() -> None:
    assert {row.name for row in ROWS if not row.ordered} == wins() - {"gptoss"}


def test_the_plugin_is_for_the_sources_that_it_was_measured_with() -> None:
    assert {row.version.public for row in BOTH if row.plugin} == {"0.24.0"}
    assert "measured" in {row.evidence for row in BOTH if row.plugin}
