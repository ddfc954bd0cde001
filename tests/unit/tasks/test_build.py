"""Making a release whole, with a uv that does what its script says: what is asked of it, and what is made of its answers."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tasks.remote import build, common, smoke, wheels

LOCK = """lock-version = "1.0"

[[packages]]
name = "nvidia_nvjitlink.cu12"
version = "12.4.127"
wheels = [{ size = 1 }]

[[packages]]
name = "torch"
version = "2.6.0"
"""
NAME = hashlib.sha256(LOCK.encode()).hexdigest()[:16]


class Rig:
    """A root with one release, and a uv that records what it is asked."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.calls, self.parts = root, [], []  # type: ignore[var-annotated]
        self.venv = root / "releases" / NAME
        self.site = self.venv / "lib/python3.11/site-packages"
        self.answers: list[list[dict[str, Any]]] = []  # of the library check, in order; then none
        self.offline_fails = False
        monkeypatch.setattr(wheels.Uv, "sync", lambda *words: self.sync(*words))
        monkeypatch.setattr(wheels.Uv, "put_back", lambda *words, **more: self.put_back(*words, **more))
        monkeypatch.setattr(wheels.Uv, "forget", lambda uv, names: self.calls.append(("forget", *names)))
        monkeypatch.setattr(smoke, "test", self.smoke)
        monkeypatch.setattr(common, "probe", lambda name: self)

    def smoke(self, *_: Any) -> str:
        self.calls.append(("smoke",))
        return "0.32.0"

    def sync(self, uv: wheels.Uv, lock: str, more: Any = ()) -> None:
        self.calls.append(("sync", *more))
        if self.offline_fails and "--offline" in more:
            raise common.Failure("not in the cache")
        for name, version in (("nvidia_nvjitlink_cu12", "12.4.127"), ("torch", "2.6.0")):
            self.put(name, version)

    def put_back(self, uv: wheels.Uv, lock: str, names: Any, offline: bool) -> None:
        self.calls.append(("put back", *names, "offline" if offline else "online"))
        self.parts.append(wheels.only(Path(lock).read_text(), names))
        if self.offline_fails and offline:
            raise common.Failure("not in the cache")
        uv.moved += 0 if offline else 21

    def put(self, name: str, version: str) -> None:
        info = self.site / f"{name}-{version}.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        for part in ("METADATA", "RECORD"):
            (info / part).touch()

    def check(self, venv: str, hashes: Any = False) -> dict[str, Any]:
        """The library check."""
        return {"findings": self.answers.pop(0) if self.answers else []}

    def built(self, findings: list[Any] | None = None) -> None:
        """As after a build that went well."""
        for name, version in (("nvidia_nvjitlink_cu12", "12.4.127"), ("torch", "2.6.0")):
            self.put(name, version)
        (self.venv / "bin").mkdir()
        (self.venv / "bin/python").touch()
        (self.venv / "pyvenv.cfg").touch()
        for mark in (".installed", "pylock.toml"):
            (self.venv / mark).write_text(LOCK)
        told = {"findings": findings or [], "distributions": wheels.distributions(str(self.venv)), "seconds": 1}
        (self.venv / ".complete").write_text(json.dumps(told))

    def run(self, **order: Any) -> None:
        build.build(
            str(self.root), {"lock": NAME, "release": "r", "python": "3.11", "alias": None, "find_links": "", **order}
        )

    @property
    def moved(self) -> int:
        """What the job says it downloaded."""
        return int(json.loads((self.root / "jobs/build/progress.json").read_text())["moved"])


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    (tmp_path / "locks" / NAME).mkdir(parents=True)
    (tmp_path / "locks" / NAME / "pylock.toml").write_text(LOCK)
    return Rig(tmp_path, monkeypatch)


def finding(code: str = "SIZE", package: str = "torch", path: str = "", cause: str = "package") -> dict[str, Any]:
    return {
        "code": code,
        "package": package,
        "path": path,
        "cause": cause,
        "message": f"{package} is {code}",
        "level": "runtime",
    }


def test_a_sound_release_is_left_as_it_is(rig: Rig) -> None:
    rig.built()
    before = (rig.venv / ".complete").read_text()
    rig.run()
    assert rig.calls == [("sync", "--offline")] and (rig.venv / ".complete").read_text() == before


def test_a_version_that_somebody_changed_comes_back_from_the_cache_or_else_from_the_index(rig: Rig) -> None:
    rig.built()
    os.rename(rig.site / "torch-2.6.0.dist-info", rig.site / "torch-2.5.1.dist-info")
    rig.offline_fails = True
    rig.run()
    assert rig.calls == [("sync", "--offline"), ("sync",), ("smoke",)]


def test_damage_is_put_back_from_the_cache_first_and_only_the_damaged(rig: Rig) -> None:
    rig.built()
    rig.answers = [[finding(), finding("MIXED", "torch", cause="environment")]]
    rig.run(damaged=["torch"])
    assert rig.calls == [("sync", "--offline"), ("put back", "torch", "offline"), ("smoke",)]
    assert 'name = "torch"' in rig.parts[0] and "nvjitlink" not in rig.parts[0]
    assert rig.moved == 0


def test_a_spoiled_cache_is_dropped_for_what_is_damaged(rig: Rig) -> None:
    rig.built()
    jit = "nvidia-nvjitlink-cu12"
    rig.answers = [[finding("SIZE", jit)], [finding("SIZE", jit)]]
    rig.run(damaged=[jit])
    put = [("put back", jit, "offline"), ("forget", jit), ("put back", jit, "online")]
    assert rig.calls == [("sync", "--offline"), *put, ("smoke",)] and rig.moved == 21


def test_a_repair_that_does_not_help_is_an_error_with_the_evidence_and_no_mark(rig: Rig) -> None:
    rig.built()
    before = (rig.venv / ".complete").read_text()
    rig.answers = [[finding()]] * 3
    with pytest.raises(common.Failure, match="put back and still not sound: torch is SIZE"):
        rig.run(damaged=["torch"])
    assert ("smoke",) not in rig.calls and (rig.venv / ".complete").read_text() == before


def test_what_was_so_when_it_was_built_is_no_damage(rig: Rig) -> None:
    rig.built([["SIZE", "torch", "lib/x.so"]])
    rig.answers = [[finding(path=f"{rig.venv}/lib/x.so")]]
    rig.run(damaged=["torch"])
    assert not any(call[0] == "put back" for call in rig.calls)


def test_doubled_and_unreadable_metadata_is_removed_before(rig: Rig) -> None:
    rig.built()
    rig.put("torch", "2.5.1")
    (rig.site / "nvidia_nvjitlink_cu12-12.4.127.dist-info/RECORD").unlink()
    wheels.drop_records(str(rig.venv), ["torch", "nvidia-nvjitlink-cu12"])
    assert wheels.records(str(rig.venv)) == {}


def test_stray_libraries_go_and_nothing_outside(rig: Rig, tmp_path: Path) -> None:
    rig.built()
    stray, other = rig.site / "nvidia" / "nvjitlink" / "lib" / "libnvJitLink.so.12", tmp_path / "mine.so"
    stray.parent.mkdir(parents=True)
    link = rig.site / "out"
    link.symlink_to(tmp_path)
    back = stray.with_name("libnvJitLink.so.13")  # a distribution has it again when all are put back
    for path in (stray, other, back):
        path.touch()
    record = next(rig.site.glob("*.dist-info")) / "RECORD"
    record.write_text(record.read_text() + f"{back.relative_to(rig.site)},,\n")
    rig.run(stray=[str(stray), str(back), str(other), str(link / "mine.so"), f"{rig.venv}/../../mine.so"])
    assert not stray.exists() and other.exists() and back.exists()


def test_a_lost_lock_comes_back_from_the_release(rig: Rig) -> None:
    rig.built()
    for text in (None, "edited"):
        path = rig.root / "locks" / NAME / "pylock.toml"
        path.unlink()
        if text:
            path.write_text(text)
        assert Path(wheels.order_of(str(rig.root), NAME)).read_text() == LOCK
    path.unlink()
    (rig.venv / "pylock.toml").write_text("edited too")
    with pytest.raises(common.Failure, match=r"is lost. Remove .*/choice.json and run this again"):
        wheels.order_of(str(rig.root), NAME)


def test_the_mark_keeps_what_the_first_build_found(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def fresh(*_: Any) -> None:
        rig.built()
        (rig.venv / ".complete").unlink()

    monkeypatch.setattr(build, "_venv", fresh)
    rig.answers = [[finding()], [finding("ORPHAN", "torch", f"{rig.venv}/lib/y.so")]]
    rig.run()
    assert ("forget", "torch") in rig.calls and ("put back", "torch", "online") in rig.calls
    mark = json.loads((rig.venv / ".complete").read_text())
    assert mark["findings"] == [["ORPHAN", "torch", "lib/y.so"]] and mark["distributions"]["torch"] == "2.6.0"
    rig.run(damaged=["torch"])
    assert json.loads((rig.venv / ".complete").read_text())["findings"] == mark["findings"]


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"distributions": [1]}'])
def test_a_mark_that_is_no_mark_is_made_anew(text: str, rig: Rig) -> None:
    rig.built()
    (rig.venv / ".complete").write_text(text)
    rig.run()
    assert json.loads((rig.venv / ".complete").read_text())["distributions"]["torch"] == "2.6.0"


@pytest.mark.parametrize("name", ["pyvenv.cfg", "bin/python", "lib"])
def test_a_venv_that_uv_would_not_work_on_is_made_anew(name: str, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.built()
    path = rig.venv / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    made: list[str] = []

    def fresh(root: str, venv: str, *_: Any) -> None:
        made.append(venv)
        rig.site.mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(build, "_venv", fresh)
    rig.run()
    assert made == [str(rig.venv)]


def test_names_in_a_lock() -> None:
    assert wheels.names(LOCK) == ["nvidia-nvjitlink-cu12", "torch"]
    assert wheels.only(LOCK, ["torch"]).count("[[packages]]") == 1 and wheels.only(LOCK, []).startswith("lock-version")
