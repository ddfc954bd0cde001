"""Every setting, typed and strict. `group_data/all.py` holds the defaults that people see and change."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

Auto = Literal["auto"]

# Names in a host's data that are not ours: pyinfra's connectors', and `x_…` for the lab's own notes.
FOREIGN_PREFIXES = (
    "ssh_",
    "docker_",
    "podman_",
    "chroot_",
    "vagrant_",
    "terraform_",
    "winrm_",
    "fake_",
    "local_",
    "_",
    "x_",
)

REPOSITORY = "https://developer.download.nvidia.com/compute/cuda/repos"

Url = Annotated[str, StringConstraints(pattern=r"^https?://\S+$|^file:///\S+$")]
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/+-]*$")]
Release = Annotated[
    str, StringConstraints(pattern=r"^(auto|gptoss|\d+(\.\d+)+(\.post\d+)?(\+[a-z0-9]+(\.[a-z0-9]+)*)?)$")
]
CudaVersion = Annotated[str, StringConstraints(pattern=r"^(auto|none|\d{2}[.-]\d{1,2})$")]


def near(address: str) -> bool:
    """Whether an address is a machine's own, which no other reaches."""
    return address in ("localhost", "::1") or re.fullmatch(r"127(\.\d+){3}", address) is not None


class SettingsError(ValueError):
    """A setting that cannot be used; the text names key, value and what is allowed."""


class Settings(BaseModel):
    """What the admin asked for. Units: ports and tokens are counts, utilisation a share of VRAM, timeouts seconds."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    engine: Literal["auto", "cuda", "cpu"] = "auto"
    vllm_release: Release = "auto"
    model: Annotated[str, StringConstraints(pattern=r"^(auto|/\S.*|~/\S.*|[\w.-]+/[\w.-]+)$")] = "auto"
    model_revision: Annotated[str, StringConstraints(pattern=r"^(auto|[0-9a-f]{40})$")] = "auto"
    hf_endpoint: Url = "https://huggingface.co"
    find_links: str = ""
    cache: Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?)?$")] = ""
    cache_gib: Annotated[int, Field(ge=1, le=100000)] = 200
    wheelhouse: Annotated[str, StringConstraints(pattern=r"^(/[^\s%$'\"\\\\]+)?$")] = ""
    root: Annotated[str, StringConstraints(pattern=r"^(~/|/[^\s%$'\"\\/]+/)[^\s%$'\"\\]+$")] = (
        "~/.local/share/vllm-workstation"
    )

    cuda_version: CudaVersion = "auto"
    cuda_repository: Url = REPOSITORY
    cuda_key_fingerprint: Annotated[str, StringConstraints(pattern=r"^(auto|[0-9A-Fa-f]{40})$")] = "auto"
    remove_wsl_driver: bool = False
    exports: bool = True

    host: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z.:-]+$")] = "127.0.0.1"
    port: Annotated[int, Field(ge=1024, le=65535)] = 8000
    require_api_key: bool = True
    served_model_name: Word = "auto"
    gpu_memory_utilization: Auto | Annotated[float, Field(ge=0.1, le=1.0)] = "auto"
    max_model_len: Auto | Annotated[int, Field(ge=256, le=131072)] = "auto"
    max_num_seqs: Auto | Annotated[int, Field(ge=1, le=1024)] = "auto"
    max_num_batched_tokens: Auto | Annotated[int, Field(ge=64, le=131072)] = "auto"
    kv_cache_dtype: Literal["auto", "fp8"] = "auto"
    plugin: Literal["auto", "off"] = "auto"
    async_scheduling: Auto | bool = "auto"
    reasoning_effort: Literal["auto", "low", "medium", "high"] = "auto"
    start_timeout: Annotated[int, Field(ge=60, le=7200)] = 1800
    role: Literal["workstation", "gateway", "both", "other"] = "workstation"
    door_port: Annotated[int, Field(ge=1024, le=65535)] = 8444
    door_address: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z._:-]*$")] = ""
    gateway_port: Annotated[int, Field(ge=1024, le=65535)] = 8443
    gateway_address: Annotated[str, StringConstraints(pattern=r"^(|[0-9.]+|\[[0-9A-Fa-f:]+\])$")] = ""
    gateway_names: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z., _:-]*$")] = ""
    gateway_certificate: Annotated[str, StringConstraints(pattern=r"^(|/[^\s;{}'\"$]+)$")] = ""
    gateway_certificate_key: Annotated[str, StringConstraints(pattern=r"^(|/[^\s;{}'\"$]+)$")] = ""
    canary: Annotated[int, Field(ge=0, le=1000)] | Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*$")] = 0
    wave: Annotated[int, Field(ge=0, le=10000)] = 0
    max_failed: Annotated[float, Field(ge=0, le=1)] = 0.34
    connect_wait: Annotated[int, Field(ge=0, le=86400)] = 0
    report: Annotated[str, StringConstraints(pattern=r"^\S?.*$")] = ""
    redact: bool = False
    thorough: bool = False

    @property
    def near(self) -> bool:
        """Whether the server listens to its own machine alone."""
        return near(self.host)

    @field_validator("gpu_memory_utilization", "max_failed", mode="before")
    @classmethod
    def _whole_share(cls, value: Any) -> Any:
        return (
            float(value) if type(value) is int and 0 <= value <= 1 else value
        )  # `--data gpu_memory_utilization=1` arrives as an int

    @field_validator("root")
    @classmethod
    def _plain_path(cls, value: str) -> str:
        if "//" in value or ".." in value.split("/"):
            raise ValueError("not a plain path")
        return value.rstrip("/")

    @field_validator("cache")
    @classmethod
    def _port_of_a_user(cls, value: str) -> str:
        port = value.partition(":")[2]
        if port and not 1024 <= int(port) <= 65535:
            raise ValueError("not a port that a user can listen at")
        return value

    @field_validator("cuda_version")
    @classmethod
    def _dotted(cls, value: str) -> str:
        return value.replace("-", ".")

    @field_validator("cuda_key_fingerprint")
    @classmethod
    def _upper(cls, value: str) -> str:
        return value if value == "auto" else value.upper()


# What each setting may be, in words that a person can act on.
ALLOWED = {
    "engine": "auto, cuda or cpu",
    "vllm_release": "auto, gptoss, or a version such as 0.32.0",
    "model": "auto, a repository such as openai/gpt-oss-20b, or a directory such as /data/gpt-oss-20b",
    "model_revision": "auto or a 40-digit commit id",
    "hf_endpoint": "a URL such as https://huggingface.co",
    "cache": "empty, or a machine and its port such as cache-01 or 10.0.0.5:8420 (port from 1024 to 65535)",
    "cache_gib": "a whole number from 1 to 100000 GiB",
    "wheelhouse": "empty, or a folder such as /mnt/disk/wheelhouse, without spaces, quotes, $ or %",
    "root": "a path such as ~/.local/share/vllm-workstation, at least two levels deep, without spaces, quotes, $ or %",
    "cuda_version": 'auto, none, or a quoted version such as "12.8" (on the command line 12-8: 12.10 would arrive as 12.1)',
    "cuda_repository": "a URL such as " + REPOSITORY,
    "cuda_key_fingerprint": "auto (NVIDIA's) or 40 hexadecimal digits",
    "host": "an address such as 127.0.0.1",
    "port": "a whole number from 1024 to 65535",
    "served_model_name": "auto or a name of letters, digits and ._/+-",
    "gpu_memory_utilization": "auto or a number from 0.1 to 1.0 (vLLM refuses more than 1: it cannot use memory that the card lacks)",
    "max_model_len": "auto or a whole number from 256 to 131072 tokens",
    "max_num_seqs": "auto or a whole number from 1 to 1024",
    "max_num_batched_tokens": "auto or a whole number from 64 to 131072",
    "kv_cache_dtype": "auto or fp8",
    "plugin": "auto or off",
    "async_scheduling": "auto, true or false",
    "reasoning_effort": "auto, low, medium or high",
    "start_timeout": "a whole number from 60 to 7200 seconds",
    "role": "workstation, gateway, both or other",
    "door_port": "a whole number from 1024 to 65535",
    "door_address": "empty (where ssh reaches the machine) or an address or name such as 10.0.0.5",
    "gateway_port": "a whole number from 1024 to 65535",
    "gateway_address": "empty (all) or an address such as 10.0.0.5 or [fd00::5]",
    "gateway_names": "empty, or names and addresses that clients use, apart by spaces",
    "gateway_certificate": "empty (one is made) or the path of a PEM file on the gateway",
    "gateway_certificate_key": "empty (one is made) or the path of a PEM file on the gateway",
    "canary": "0, a whole number of hosts, or the name of a group of the inventory",
    "wave": "0 (all) or a whole number of hosts at a time",
    "max_failed": "a share from 0 to 1",
    "connect_wait": "a whole number of seconds, at most 86400",
    "report": "empty, or the path of a folder (or of a file that ends in .json) on the computer that runs pyinfra",
}


def read(data: Mapping[str, Any]) -> Settings:
    """Settings out of a host's data. Raises SettingsError with one line for each key that is wrong."""
    ours = {key: value for key, value in data.items() if not key.startswith(FOREIGN_PREFIXES)}
    try:
        settings = Settings.model_validate(ours)
    except ValidationError as error:
        keys = dict.fromkeys(str(problem["loc"][0]) for problem in error.errors())
        raise SettingsError("; ".join(_explain(key, ours.get(key)) for key in keys)) from None
    _together(settings)
    return settings


def one(key: str, value: Any) -> None:
    """Check one setting by itself. Raises SettingsError."""
    try:
        Settings.model_validate({key: value})
    except ValidationError:
        raise SettingsError(_explain(key, value)) from None


def _explain(key: str, value: Any) -> str:
    fields = Settings.model_fields
    if key not in fields:
        near = difflib.get_close_matches(key, fields, 1)
        hint = (
            f"did you mean {near[0]}?" if near else "group_data/all.py lists all settings; start your own notes with x_"
        )
        return f"unknown setting {key} = {value!r}: {hint}"
    allowed = ALLOWED.get(key) or ("true or false" if fields[key].annotation is bool else "text")
    return f"setting {key} = {value!r} cannot be used: allowed is {allowed}"


def _together(settings: Settings) -> None:
    """Settings that are fine alone but not together."""
    batched, seqs = settings.max_num_batched_tokens, settings.max_num_seqs
    if isinstance(batched, int) and isinstance(seqs, int) and batched < seqs:
        raise SettingsError(
            f"setting max_num_batched_tokens = {batched} cannot be used with max_num_seqs = {seqs}: vLLM needs at least one token a sequence"
        )
    if settings.engine == "cpu" and settings.vllm_release == "gptoss":
        raise SettingsError(
            "setting vllm_release = 'gptoss' cannot be used with engine = 'cpu': that build needs an NVIDIA GPU"
        )
    if bool(settings.gateway_certificate) != bool(settings.gateway_certificate_key):
        raise SettingsError("settings gateway_certificate and gateway_certificate_key belong together: set both or neither")
    ports = [settings.port, settings.door_port] + [settings.gateway_port] * (settings.role in ("gateway", "both"))
    if len(set(ports)) < len(ports):
        raise SettingsError(f"settings port, door_port and gateway_port = {ports} cannot be the same: allowed are different ports")
    if not settings.require_api_key and not settings.near:
        raise SettingsError(
            f"setting require_api_key = False cannot be used with host = {settings.host!r}: allowed is True, or host = '127.0.0.1'"
        )
