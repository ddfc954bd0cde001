"""The wheel of our vLLM plugin: reproducible, complete, and the version that the plan counts on."""

from __future__ import annotations

import hashlib
import io
import zipfile

from vllm_workstation_plugin import switches

from plan.release import catalogue
from plan.tuned import PLUGIN_ENVIRONMENT
from tasks import plugin


def test_the_same_sources_make_the_same_wheel() -> None:
    first = plugin.wheel()
    plugin.wheel.cache_clear()
    assert plugin.wheel() == first


def test_every_file_is_in_the_record() -> None:
    archive = zipfile.ZipFile(io.BytesIO(plugin.wheel()))
    record = next(name for name in archive.namelist() if name.endswith("RECORD"))
    rows = [line.rsplit(",", 2) for line in archive.read(record).decode().splitlines()]
    assert {row[0] for row in rows} == set(archive.namelist())
    for name, _, size in rows:
        assert name == record or len(archive.read(name)) == int(size)


def test_vllm_finds_it() -> None:
    archive = zipfile.ZipFile(io.BytesIO(plugin.wheel()))
    points = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
    assert archive.read(points).decode() == "[vllm.general_plugins]\nworkstation = vllm_workstation_plugin:register\n"


def test_the_plan_counts_on_this_version_and_these_parts() -> None:
    assert PLUGIN_ENVIRONMENT["VLLM_WORKSTATION_PLUGIN_VERSION"] == plugin.version()
    assert switches.asked(PLUGIN_ENVIRONMENT["VLLM_WORKSTATION_PLUGIN"]) == (switches.PARTS, ())


def test_it_is_planned_only_where_it_is_proven() -> None:
    assert {release.version.public for release in catalogue() if release.plugin} == set(switches.PROVEN)


def test_other_sources_are_another_version() -> None:
    """A server is restarted when the version changes: whoever edits the plugin raises it, here and in plan/tuned.py."""
    archive = zipfile.ZipFile(io.BytesIO(plugin.wheel()))
    text = b"".join(archive.read(name) for name in sorted(archive.namelist()) if name.endswith(".py"))
    assert (plugin.version(), hashlib.sha256(text).hexdigest()[:12]) == ("1.0.0", "4b121e3df6af")
