"""The service's files, read back by the programs that read them."""

from __future__ import annotations

import configparser
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from plan import service, stages
from plan.machine import File, Machine
from plan.service import Text
from plan.settings import Settings
from tasks.remote.serve import environment_file
from tests.unit.machines import GALLERY, HOME, ROOT, changed, finished, machine, planned

NAMES = ("wsl 24.04, RTX 5090", "no GPU", "container, RTX 4090", "wsl without systemd, RTX 4090")


def texts(seen: Machine, settings: Settings | None = None) -> dict[str, Text]:
    """Files of the plan by their names."""
    return {text.path.rpartition("/")[2]: text for text in planned(seen, settings).files}


def parsed(text: str) -> configparser.ConfigParser:
    """An INI-like file as configparser reads it."""
    found = configparser.ConfigParser(interpolation=None, strict=True)
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read_string(text)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_paths_and_modes(name: str) -> None:
    made = texts(GALLERY[name])
    manager = (
        ("supervisord.conf", f"{ROOT}/service/supervisord.conf")
        if name.startswith("container")
        else ("vllm-workstation.service", f"{HOME}/.config/systemd/user/vllm-workstation.service")
    )
    assert {key: (text.path, text.mode) for key, text in made.items()} == {
        "environment": (f"{ROOT}/service/environment", "600"),
        "plan.json": (f"{ROOT}/service/plan.json", "600"),
        manager[0]: (manager[1], "644"),
    }


def test_unit() -> None:
    found = parsed(
        texts(GALLERY["wsl 24.04, RTX 5090"], Settings(start_timeout=900))["vllm-workstation.service"].content
    )
    unit, run = found["Unit"], found["Service"]
    assert unit["Description"] == "vLLM server of openai/gpt-oss-20b (vllm-workstation)"
    assert run["ExecStart"] == f"{ROOT}/current/bin/python {ROOT}/lib/helper.pyz serve {ROOT}"
    assert run["ExecStartPost"] == f"{ROOT}/current/bin/python {ROOT}/lib/helper.pyz chat {ROOT}"
    assert (run["TimeoutStartSec"], run["Restart"], run["KillMode"], run["EnvironmentFile"]) == (
        "960",  # a minute more than the chat waits, so that it can say why
        "on-failure",
        "mixed",
        f"{ROOT}/service/environment",
    )
    assert set(run["UnsetEnvironment"].split()) >= {"LD_LIBRARY_PATH", "LD_PRELOAD"}
    assert found["Install"]["WantedBy"] == "default.target"


def test_restarts_end_before_they_go_on_for_ever() -> None:
    found = parsed(texts(GALLERY["no GPU"])["vllm-workstation.service"].content)
    assert int(found["Unit"]["StartLimitBurst"]) * int(found["Service"]["RestartSec"]) < int(
        found["Unit"]["StartLimitIntervalSec"]
    )


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    home = tmp_path / "root"
    (home / "current" / "bin").mkdir(parents=True)
    (home / "current" / "bin" / "python").symlink_to("/bin/true")
    content = texts(changed(machine(), "releases", root=str(home)))["vllm-workstation.service"].content
    unit = tmp_path / "vllm-workstation.service"
    unit.write_text(content)
    env = {
        "PATH": "/usr/bin:/bin",
        "XDG_RUNTIME_DIR": str(tmp_path),
        "HOME": str(tmp_path),
        "SYSTEMD_LOG_LEVEL": "warning",
    }
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        env=env,
        timeout=30,
    )
    about_us = [line for line in done.stderr.splitlines() if "vllm-workstation" in line]
    assert about_us == []


def test_supervisord() -> None:
    found = parsed(texts(GALLERY["container, RTX 4090"])["supervisord.conf"].content)
    program = found["program:vllm-workstation"]
    assert program["command"] == f"{ROOT}/current/bin/python {ROOT}/lib/helper.pyz serve {ROOT}"
    assert (program["stopasgroup"], program["killasgroup"], program["stopsignal"], program["autorestart"]) == (
        "true",
        "true",
        "TERM",
        "unexpected",
    )
    assert found["unix_http_server"]["chmod"] == "0700" and found["supervisord"]["umask"] == "077"
    assert (
        found["supervisord"]["pidfile"] == f"{ROOT}/service/supervisord.pid"
    )  # where the probe and the start look for it


@pytest.mark.parametrize("name", NAMES)
def test_environment_is_read_back_as_planned(name: str, tmp_path: Path) -> None:
    made = planned(GALLERY[name])
    assert made.serve is not None
    (tmp_path / "e").write_text(texts(GALLERY[name])["environment"].content)
    assert environment_file(str(tmp_path / "e")) == {**made.serve.environment, "VLLM_WORKSTATION_SPEC": made.serve.spec}


def test_start_plan() -> None:
    made = planned(
        GALLERY["wsl 24.04, RTX 5090"],
        Settings(served_model_name="lab", require_api_key=False, port=9000, start_timeout=77),
    )
    assert made.serve is not None
    found = json.loads(next(text for text in made.files if text.path.endswith("plan.json")).content)
    card, table = found.pop("card"), found.pop("stages")
    assert table == stages.patterns()
    assert (card["name"], card["total_mib"], card["free_mib"]) == ("NVIDIA GeForce RTX 5090", 32607, 32207)
    assert found == {
        "arguments": made.serve.arguments,
        "port": 9000,
        "host": "127.0.0.1",
        "key": False,
        "model": "lab",
        "questions": service.QUESTIONS,
        "low_effort": True,
        "timeout": 77,
        "spec": made.serve.spec,
    }


def test_a_model_of_the_admins_must_only_answer_something() -> None:
    found = json.loads(texts(GALLERY["wsl 24.04, RTX 5090"], Settings(model="/data/m"))["plan.json"].content)
    assert [word for _, word in found["questions"]] == ["", ""]
    assert not found["low_effort"]


def test_stale() -> None:
    seen = finished(machine())
    wanted = planned(machine()).files
    assert service.stale(seen, wanted) == []
    for text in wanted:
        good = seen.files[text.path]
        assert good is not None
        for bad in (
            None,
            File(kind="link", mode="777", uid=1000, target="x"),
            good.model_copy(update={"sha256": "0"}),
            good.model_copy(update={"mode": "666"}),
        ):
            assert service.stale(seen.model_copy(update={"files": {**seen.files, text.path: bad}}), wanted) == [text]


def test_the_same_plan_gives_the_same_bytes() -> None:
    assert texts(GALLERY["no GPU"]) == texts(GALLERY["no GPU"])
