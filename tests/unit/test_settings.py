"""Every setting: the defaults that people see, and what is said of values that cannot be used."""

from __future__ import annotations

import importlib
import math
import pkgutil
import runpy
from typing import Any, get_type_hints

import pyinfra.connectors
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plan import settings
from plan.settings import ALLOWED, Settings, SettingsError
from tests.unit.recorded import REPOSITORY

DEFAULTS = {name: field.default for name, field in Settings.model_fields.items()}
FROM_ENVIRONMENT = ("HF_ENDPOINT", "UV_FIND_LINKS", "PIP_FIND_LINKS")


def group_data() -> dict[str, Any]:
    """What group_data/all.py gives every host."""
    found = runpy.run_path(str(REPOSITORY / "group_data" / "all.py"))
    return {name: value for name, value in found.items() if not name.startswith("_") and name != "os"}


def test_the_defaults_that_people_see_are_the_ones_that_count(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FROM_ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    assert group_data() == DEFAULTS
    assert settings.read(group_data()) == Settings()


def test_the_environment_fills_in_endpoint_and_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FROM_ENVIRONMENT:
        monkeypatch.setenv(name, f"https://{name.lower().replace('_', '-')}.lab")
    assert (group_data()["hf_endpoint"], group_data()["find_links"]) == (
        "https://hf-endpoint.lab",
        "https://uv-find-links.lab",
    )


GOOD: list[tuple[str, Any, Any]] = [
    ("engine", "cpu", "cpu"),
    ("vllm_release", "0.32.0", "0.32.0"),
    ("vllm_release", "0.10.1+gptoss", "0.10.1+gptoss"),
    ("vllm_release", "0.12.0.post2", "0.12.0.post2"),
    ("model", "/data/gpt-oss-20b", "/data/gpt-oss-20b"),
    ("model", "~/models/m", "~/models/m"),
    ("model", "Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
    ("model_revision", "a" * 40, "a" * 40),
    ("hf_endpoint", "http://10.0.0.2:8080", "http://10.0.0.2:8080"),
    ("cuda_repository", "file:///srv/cuda", "file:///srv/cuda"),
    ("root", "/opt/vllm", "/opt/vllm"),
    ("cuda_version", "12.8", "12.8"),
    ("cuda_version", "12-10", "12.10"),
    ("cuda_version", "none", "none"),
    ("cuda_key_fingerprint", "ab" * 20, "AB" * 20),
    ("host", "0.0.0.0", "0.0.0.0"),
    ("host", "::1", "::1"),
    ("port", 1024, 1024),
    ("port", 65535, 65535),
    ("gpu_memory_utilization", 1, 1.0),
    ("gpu_memory_utilization", 0.95, 0.95),
    ("max_model_len", 131072, 131072),
    ("max_num_seqs", 1, 1),
    ("async_scheduling", True, True),
    ("async_scheduling", "auto", "auto"),
    ("reasoning_effort", "low", "low"),
    ("require_api_key", False, False),
    ("start_timeout", 60, 60),
    ("cache", "10.0.0.5:8420", "10.0.0.5:8420"),
    ("cache", "cache-01.lab", "cache-01.lab"),
    ("cache_gib", 1, 1),
    ("wheelhouse", "/mnt/disk/wheelhouse", "/mnt/disk/wheelhouse"),
    ("find_links", "/wheels with space", "/wheels with space"),
]


@pytest.mark.parametrize(("name", "value", "kept"), GOOD)
def test_good_values(name: str, value: Any, kept: Any) -> None:
    found = getattr(settings.read({name: value}), name)
    assert found == kept and type(found) is type(kept)


BAD: list[tuple[str, Any]] = [
    ("engine", "gpu"),
    ("engine", None),
    ("engine", True),
    ("vllm_release", "latest"),
    ("vllm_release", 0.32),
    ("vllm_release", "0.32.0; rm -rf"),
    ("model", "gpt-oss"),
    ("model", ""),
    ("model", "https://x/y"),
    ("model_revision", "main"),
    ("model_revision", "A" * 40),
    ("hf_endpoint", "huggingface.co"),
    ("hf_endpoint", "ftp://x"),
    ("cache", "http://cache-01"),
    ("cache", "cache-01:80"),
    ("cache", "cache-01:99999"),
    ("cache", "a b"),
    ("cache_gib", 0),
    ("cache_gib", "200"),
    ("wheelhouse", "mnt/disk"),
    ("wheelhouse", "/a b"),
    ("root", "relative/path"),
    ("root", "/with space"),
    ("root", "~"),
    ("root", "/a%b"),
    ("root", "/a$b"),
    ("root", "/a'b"),
    ("root", '/a"b'),
    ("root", "/a\\b"),
    ("cuda_version", 12.1),
    ("cuda_version", 12.8),
    ("cuda_version", "12"),
    ("cuda_version", "12.8.1"),
    ("cuda_version", "12.8\n"),
    ("cuda_key_fingerprint", "3bf863cc"),
    ("remove_wsl_driver", "yes"),
    ("remove_wsl_driver", 1),
    ("exports", "False"),
    ("exports", None),
    ("host", "a b"),
    ("host", ""),
    ("port", 80),
    ("port", 65536),
    ("port", "8000"),
    ("port", True),
    ("port", 8000.0),
    ("require_api_key", 0),
    ("served_model_name", "-x"),
    ("served_model_name", "a b"),
    ("gpu_memory_utilization", 1.01),
    ("gpu_memory_utilization", 0.05),
    ("gpu_memory_utilization", True),
    ("gpu_memory_utilization", "0.9"),
    ("gpu_memory_utilization", math.nan),
    ("max_model_len", 255),
    ("max_model_len", 131073),
    ("max_model_len", True),
    ("max_model_len", 4096.0),
    ("max_num_seqs", 0),
    ("max_num_seqs", False),
    ("max_num_batched_tokens", 63),
    ("async_scheduling", 1),
    ("async_scheduling", "on"),
    ("reasoning_effort", "none"),
    ("start_timeout", 59),
    ("start_timeout", True),
    ("find_links", None),
    ("find_links", ["a"]),
    ("engine", {"a": 1}),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_values_are_named_with_what_is_allowed(name: str, value: Any) -> None:
    allowed = ALLOWED.get(name) or ("text" if name == "find_links" else "true or false")
    with pytest.raises(SettingsError) as caught:
        settings.read({name: value})
    assert str(caught.value) == f"setting {name} = {value!r} cannot be used: allowed is {allowed}"


def test_a_float_from_the_command_line_is_explained() -> None:
    with pytest.raises(SettingsError) as caught:
        settings.read({"cuda_version": 12.1})  # --data cuda_version=12.10
    assert str(caught.value) == (
        'setting cuda_version = 12.1 cannot be used: allowed is auto, none, or a quoted version such as "12.8" '
        "(on the command line 12-8: 12.10 would arrive as 12.1)"
    )


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("max_model_length", "max_model_len"),
        ("modle", "model"),
        ("ports", "port"),
        ("cuda_versoin", "cuda_version"),
        ("MAX_NUM_SEQS", None),
        ("zzz", None),
    ],
)
def test_typos(key: str, hint: str | None) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.read({key: 1})
    words = f"did you mean {hint}?" if hint else "group_data/all.py lists all settings; start your own notes with x_"
    assert str(caught.value) == f"unknown setting {key} = 1: {words}"


def test_every_wrong_key_is_named_once() -> None:
    with pytest.raises(SettingsError) as caught:
        settings.read({"port": "x", "engin": 1, "exports": 3})
    assert [part.split(" cannot")[0].split(":")[0] for part in str(caught.value).split("; ")] == [
        "setting exports = 3",
        "setting port = 'x'",
        "unknown setting engin = 1",
    ]


TOGETHER: list[tuple[dict[str, Any], list[str]]] = [
    (
        {"max_num_batched_tokens": 64, "max_num_seqs": 65},
        ["max_num_batched_tokens = 64", "max_num_seqs = 65", "one token a sequence"],
    ),
    ({"engine": "cpu", "vllm_release": "gptoss"}, ["vllm_release = 'gptoss'", "engine = 'cpu'"]),
    (
        {"require_api_key": False, "host": "0.0.0.0"},
        ["require_api_key = False", "host = '0.0.0.0'", "host = '127.0.0.1'"],
    ),
]


@pytest.mark.parametrize(("data", "words"), TOGETHER)
def test_not_together(data: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.read(data)
    assert [word for word in words if word not in str(caught.value)] == []
    for name in data:
        settings.read({name: data[name]})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_no_key_is_fine_at_home(host: str) -> None:
    assert not settings.read({"require_api_key": False, "host": host}).require_api_key


def test_nothing_more_is_allowed_than_is_told() -> None:
    assert set(ALLOWED) <= set(DEFAULTS)
    silent = set(DEFAULTS) - set(ALLOWED)
    assert silent == {"find_links", "remove_wsl_driver", "exports", "require_api_key", "redact", "thorough"}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["auto", "12.8", "/x", "~/x", "a/b", "0.32.0", "none", 10**400, 8000, 0.5]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(data=st.dictionaries(st.sampled_from([*DEFAULTS, "x_note", "modle", "", "ssh_user", "é"]), JSON, max_size=4))
@example(data={"gpu_memory_utilization": 10**400})
@example(data={"gpu_memory_utilization": -(10**400)})
def test_any_value_for_any_key_gives_settings_or_an_error_of_ours(data: dict[str, Any]) -> None:
    try:
        found = settings.read(data)
    except SettingsError as error:
        assert any(name in str(error) for name in data)
        return
    assert isinstance(found, Settings)
    assert settings.read(found.model_dump()) == found


CONNECTORS = sorted(module.name for module in pkgutil.iter_modules(pyinfra.connectors.__path__) if not module.ispkg)


@pytest.mark.parametrize("name", CONNECTORS)
def test_keys_of_pyinfras_connectors_pass(name: str) -> None:
    module = importlib.import_module(f"pyinfra.connectors.{name}")
    data = [value for key, value in vars(module).items() if key.endswith("ConnectorData")]
    keys = {key for kind in data for key in get_type_hints(kind)}
    assert settings.read(dict.fromkeys(keys, "x")) == Settings()


def test_there_are_connectors_with_keys() -> None:
    from pyinfra.connectors import docker, ssh

    assert {"ssh", "docker", "local"} <= set(CONNECTORS)
    assert "ssh_user" in get_type_hints(ssh.ConnectorData) and get_type_hints(docker.ConnectorData)


@pytest.mark.parametrize(
    "key", ["x_room", "_sudo", "_shell_executable", "ssh_user", "ssh_hostname", "docker_identifier", "fake_key"]
)
def test_notes_and_global_arguments_pass(key: str) -> None:
    assert settings.read({key: object()}) == Settings()
