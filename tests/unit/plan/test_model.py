"""Which weights, where they lie, and when they count as there."""

from __future__ import annotations

import pytest

from plan import model
from plan.machine import Machine
from plan.settings import Settings
from plan.toml import table
from tests.unit.machines import HOME, ROOT, RTX_4090, changed, machine
from tests.unit.recorded import RECORDED

SEEN = machine(RTX_4090)
PIN = "6cee5e81ee83917806bbde320786a8fb61efebee"


def test_the_default() -> None:
    found = model.choose(SEEN, Settings(), "cuda")
    assert (found.name, found.kind, found.revision, found.endpoint) == (
        "openai/gpt-oss-20b",
        "hub",
        PIN,
        "https://huggingface.co",
    )
    assert found.directory == f"{ROOT}/models/openai--gpt-oss-20b-6cee5e81ee83"
    assert found.files is not None and found.is_gpt_oss and found.served == "openai/gpt-oss-20b"
    assert sum(size for size, _ in found.files.values()) <= found.bytes
    assert "original/model.safetensors" not in found.files


def test_the_packaged_one() -> None:
    found = model.choose(machine(), Settings(), "cpu")
    assert (found.name, found.kind, found.endpoint, found.is_gpt_oss) == (
        "SmolLM2-135M-Instruct",
        "packaged",
        None,
        False,
    )
    assert found.requirement is not None and "--hash=sha256:" in found.requirement and found.member is not None


def test_another_revision_has_no_pinned_digests_and_a_directory_of_its_own() -> None:
    found = model.choose(SEEN, Settings(model_revision="a" * 40, hf_endpoint="http://mirror.lab/"), "cuda")
    assert (found.revision, found.files, found.endpoint) == ("a" * 40, None, "http://mirror.lab")
    assert found.directory == f"{ROOT}/models/openai--gpt-oss-20b-aaaaaaaaaaaa"


def test_another_repository() -> None:
    found = model.choose(SEEN, Settings(model="Qwen/Qwen3-8B"), "cuda")
    assert (found.revision, found.files, found.bytes, found.is_gpt_oss, found.directory) == (
        "main",
        None,
        0,
        False,
        f"{ROOT}/models/Qwen--Qwen3-8B-main",
    )


@pytest.mark.parametrize(
    ("wish", "path", "served"), [("/data/gpt-oss-20b/", "/data/gpt-oss-20b/", "gpt-oss-20b"), ("~/m", f"{HOME}/m", "m")]
)
def test_a_directory(wish: str, path: str, served: str) -> None:
    found = model.choose(SEEN, Settings(model=wish), "cuda")
    assert (found.kind, found.directory, found.served, found.bytes) == ("directory", path, served, 0)


def there(**weights: object) -> Machine:
    """A machine with the default model's directory as given."""
    return changed(SEEN, "weights", **{model.choose(SEEN, Settings(), "cuda").directory: weights})


FILES = {"config.json": {"size": 2, "mtime_ns": 5}, "tokenizer.json": {"size": 3, "mtime_ns": 6}}
RECORD = {"revision": PIN, "files": FILES}
STATES: list[tuple[dict[str, object], bool]] = [
    ({"files": FILES, "verified": RECORD}, True),
    ({"files": {**FILES, "extra.txt": {"size": 1, "mtime_ns": 1}}, "verified": RECORD}, True),
    ({"files": FILES, "verified": None}, False),
    ({"files": FILES, "verified": {**RECORD, "revision": "b" * 40}}, False),
    ({"files": FILES, "verified": {**RECORD, "files": {}}}, False),
    ({"files": {**FILES, "config.json": {"size": 3, "mtime_ns": 5}}, "verified": RECORD}, False),
    ({"files": {**FILES, "config.json": {"size": 2, "mtime_ns": 6}}, "verified": RECORD}, False),
    ({"files": {"config.json": FILES["config.json"]}, "verified": RECORD}, False),
]


@pytest.mark.parametrize(("weights", "expected"), STATES)
def test_ready(weights: dict[str, object], expected: bool) -> None:
    assert model.ready(there(**weights), model.choose(SEEN, Settings(), "cuda")) == expected


def test_a_directory_of_the_admins_needs_only_a_config() -> None:
    own = model.choose(SEEN, Settings(model="/data/m"), "cuda")
    assert not model.ready(SEEN, own)
    assert not model.ready(changed(SEEN, "weights", **{"/data/m": {"files": {"x": {"size": 1, "mtime_ns": 1}}}}), own)
    assert model.ready(
        changed(SEEN, "weights", **{"/data/m": {"files": {"config.json": {"size": 1, "mtime_ns": 1}}}}), own
    )


@pytest.mark.parametrize("name", ["openai/gpt-oss-20b", "../..", "a/b c", "/", "~"])
def test_slug_is_one_path_component(name: str) -> None:
    assert "/" not in model.slug(name) and model.slug(name) not in ("", ".", "..")


def test_pinned_files_are_the_looked_up_ones() -> None:
    rows = [line.split("|") for line in (RECORDED / "FACTS.md").read_text().splitlines() if line.startswith("| ")]
    known = {
        cells[1].strip(): (int(cells[2]), cells[3].strip())
        for cells in rows
        if len(cells) > 4 and cells[2].strip().isdigit()
    }
    pinned = {name: tuple(value) for name, value in table("models")["model"][0]["files"].items()}
    assert len(pinned) == 10
    assert {name: known[name] for name in pinned} == pinned
