"""NVIDIA's repository for each system, its key, and what stands in its way."""

from __future__ import annotations

from typing import Any

import pytest

from plan import platform, toolkit
from plan.machine import Machine
from plan.settings import REPOSITORY, Settings
from plan.toolkit import KEYRING, Toolkit
from tests.unit.machines import RTX_4090, changed, machine
from tests.unit.recorded import Recording, cases, recordings

OLD, NEW_DEBIAN, NEW_UBUNTU = (
    "EB693B3035CD5710E231E123A4B469963BF863CC",
    "02182E60104FCDC26EAE1B8597A5D4CB8793F200",
    "14BAFBC7562AD710CA04E69905FBB6DA60DF8A40",
)
RETIRED = "AE09FE4BBD223A84B2CCFCE3F60F4B3D7FA2AF80"
SUITES = [
    (("ubuntu", "22.04"), 0, "ubuntu2204", "3bf863cc.pub", OLD),
    (("ubuntu", "24.04"), 0, "ubuntu2404", "3bf863cc.pub", OLD),
    (("ubuntu", "26.04"), 0, "ubuntu2604", "60DF8A40.pub", NEW_UBUNTU),
    (("debian", "12"), 0, "debian12", "3bf863cc.pub", OLD),
    (("debian", "13"), 0, "debian13", "8793F200.pub", NEW_DEBIAN),
    (("ubuntu", "22.04"), 2, "wsl-ubuntu", "3bf863cc.pub", OLD),
    (("ubuntu", "24.04"), 2, "wsl-ubuntu", "3bf863cc.pub", OLD),
    (("ubuntu", "26.04"), 2, "ubuntu2604", "60DF8A40.pub", NEW_UBUNTU),
    (("debian", "12"), 2, "wsl-ubuntu", "3bf863cc.pub", OLD),
    (("debian", "13"), 2, "debian13", "8793F200.pub", NEW_DEBIAN),
]
WSL = f"{REPOSITORY}/wsl-ubuntu/x86_64/"
OURS = "/etc/apt/sources.list.d/cuda-wsl-ubuntu-x86_64.list"


def source(
    file: str = OURS, line: int = 1, uri: str = WSL, signed_by: str | None = KEYRING, enabled: bool = True
) -> dict[str, Any]:
    """One source as the probe reports it."""
    return {"file": file, "line": line, "enabled": enabled, "uri": uri, "suite": "/", "signed_by": signed_by}


def with_apt(*sources: dict[str, Any], keys: dict[str, list[str]] | None = None, wsl: int = 2) -> Machine:
    """A machine with those CUDA sources, the right key in place."""
    return changed(
        machine(RTX_4090, wsl=wsl), "apt", cuda_sources=list(sources), keys={KEYRING: [OLD]} if keys is None else keys
    )


def choose(seen: Machine, settings: Settings | None = None, cuda: str | None = "12.8") -> Toolkit:
    """The toolkit; these tests are about machines that get one."""
    found = toolkit.choose(seen, settings or Settings(), cuda)
    assert found is not None
    return found


@pytest.mark.parametrize(("system", "wsl", "suite", "file", "fingerprint"), SUITES)
def test_suite_and_key(system: tuple[str, str], wsl: int, suite: str, file: str, fingerprint: str) -> None:
    found = choose(machine(RTX_4090, wsl=wsl, os=system))
    assert found.source_line == f"deb [signed-by={KEYRING}] {REPOSITORY}/{suite}/x86_64/ /"
    assert found.source_file == f"/etc/apt/sources.list.d/cuda-{suite}-x86_64.list"
    assert (found.key_url, found.fingerprint) == (f"{REPOSITORY}/{suite}/x86_64/{file}", fingerprint)
    pin = "release *" if wsl else 'origin "developer.download.nvidia.com"'
    assert f"Pin: {pin}\n" in (found.preferences or "")


def test_every_supported_system_has_a_repository_and_every_repository_one_key() -> None:
    tables = platform.tables()
    for row in tables["platform"]:
        assert set(row["native"]) == set(row["wsl"]) == set(row["versions"])
        for suite in [*row["native"].values(), *row["wsl"].values()]:
            assert len([key for key in tables["key"] if suite in key["suites"]]) == 1


def test_a_mirror_with_its_own_key() -> None:
    settings = Settings(cuda_repository="https://mirror.lab/cuda/", cuda_key_fingerprint="ab" * 20)
    found = choose(machine(RTX_4090, wsl=2), settings)
    assert found.source_line == f"deb [signed-by={KEYRING}] https://mirror.lab/cuda/wsl-ubuntu/x86_64/ /"
    assert (found.key_url, found.fingerprint) == ("https://mirror.lab/cuda/wsl-ubuntu/x86_64/3bf863cc.pub", "AB" * 20)


@pytest.mark.parametrize(
    ("wish", "cuda", "versions"),
    [
        ("auto", "12.8", ["12.8", "12.9", "12.10", "12.11", "12.12", "12.13"]),
        ("auto", "13.0", ["13.0", "13.1", "13.2", "13.3", "13.4", "13.5"]),
        ("12.6", "13.0", ["12.6"]),
        ("12-10", "13.0", ["12.10"]),
    ],
)
def test_versions(wish: str, cuda: str, versions: list[str]) -> None:
    assert choose(machine(RTX_4090), Settings(cuda_version=wish), cuda).versions == versions


def test_none_is_wanted() -> None:
    assert toolkit.choose(machine(RTX_4090), Settings(cuda_version="none"), "12.8") is None
    assert toolkit.choose(machine(RTX_4090), Settings(), None) is None


# (sources, keys, disabled, ready)
STATES: list[tuple[list[dict[str, Any]], dict[str, list[str]], list[tuple[str, int]], bool]] = [
    ([], {}, [], False),
    ([source()], {KEYRING: [OLD]}, [], True),
    ([source(uri=WSL[:-1])], {KEYRING: [OLD]}, [], True),
    ([source(signed_by=None)], {KEYRING: [OLD]}, [(OURS, 1)], False),
    ([source()], {KEYRING: [RETIRED]}, [(OURS, 1)], False),
    (
        [source(), source("/etc/apt/sources.list.d/cuda.list")],
        {KEYRING: [OLD]},
        [("/etc/apt/sources.list.d/cuda.list", 1)],
        False,
    ),
    ([source(enabled=False)], {KEYRING: [OLD]}, [], False),
    ([source(), source("/x.list", 4, f"{REPOSITORY}/ubuntu2404/x86_64/")], {KEYRING: [OLD]}, [("/x.list", 4)], False),
    ([source("/x.list", 4, f"{REPOSITORY}/ubuntu2404/x86_64/", enabled=False), source()], {KEYRING: [OLD]}, [], True),
    ([source(signed_by="/k.gpg")], {"/k.gpg": [OLD, RETIRED]}, [], True),
]


@pytest.mark.parametrize(("sources", "keys", "disabled", "ready"), STATES)
def test_what_is_in_the_way(
    sources: list[dict[str, Any]], keys: dict[str, list[str]], disabled: list[tuple[str, int]], ready: bool
) -> None:
    seen = with_apt(*sources, keys=keys)
    found = choose(seen)
    assert found.disable == disabled
    assert toolkit.source_ready(seen, found) == ready


def test_natively_other_cuda_repositories_stay() -> None:
    seen = with_apt(
        source(uri=f"{REPOSITORY}/ubuntu2404/x86_64/"), source("/x.list", 2, f"{REPOSITORY}/ubuntu2204/x86_64/"), wsl=0
    )
    assert choose(seen).disable == []
    assert toolkit.source_ready(seen, choose(seen))


def test_retired_keyrings() -> None:
    keys = {
        KEYRING: [RETIRED],
        "/etc/apt/trusted.gpg": [OLD, RETIRED],
        "/etc/apt/trusted.gpg.d/cuda.gpg": [RETIRED],
        "/etc/apt/keyrings/cuda.asc": [],
    }
    seen = with_apt(source(), keys=keys)
    assert choose(seen).retired_keyrings == ["/etc/apt/trusted.gpg.d/cuda.gpg"]
    assert not toolkit.source_ready(with_apt(source(), keys={**keys, KEYRING: [OLD]}), choose(seen))


def test_a_repository_set_up_for_its_drivers_is_left_to_the_user() -> None:
    seen = machine(RTX_4090)
    keyring = {"cuda-keyring": {"version": "1.1-1", "state": "installed"}}
    seen = changed(seen, "packages", installed={**seen.packages.model_dump()["installed"], **keyring})
    assert choose(seen).preferences is None


def test_no_driver_can_come_from_apt_in_wsl() -> None:
    text = choose(machine(RTX_4090, wsl=2)).preferences
    assert text is not None
    fields = dict(line.split(": ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert (fields["Pin"], fields["Pin-Priority"]) == ("release *", "-1")
    assert {"cuda", "cuda-drivers*", "nvidia-driver*", "libnvidia-*", "libcuda1"} <= set(fields["Package"].split())
    assert not [
        name for name in fields["Package"].split() if "cuda-toolkit".startswith(name.rstrip("*")) and name.endswith("*")
    ]


INSTALLED = [
    ("12.8", "installed", "12.8.93", "12.8"),
    ("12.9", "installed", "12.9.1", "12.9"),
    ("12.8", "unpacked", "12.8.93", None),
    ("12.8", "installed", None, None),
    ("12.6", "installed", "12.6.1", None),
]


@pytest.mark.parametrize(("version", "state", "nvcc", "expected"), INSTALLED)
def test_installed(version: str, state: str, nvcc: str | None, expected: str | None) -> None:
    seen = changed(
        machine(RTX_4090),
        "packages",
        installed={f"cuda-toolkit-{version.replace('.', '-')}": {"version": "1", "state": state}},
    )
    seen = changed(seen, "toolkit", installed={version: {"path": f"/usr/local/cuda-{version}", "nvcc": nvcc}})
    assert toolkit.installed(seen, choose(seen)) == expected


@pytest.mark.parametrize("row", cases(recordings("dpkg", "driver_packages")))
def test_recorded_lists_have_no_driver(row: Recording) -> None:
    names = [line.split()[1] for line in row.text.splitlines()]
    assert [name for name in names if platform.is_driver_package(name)] == row.expect["driver_packages"]


@pytest.mark.parametrize(
    ("name", "driver"),
    [
        ("cuda", True),
        ("cuda-12-8", True),
        ("cuda-drivers", True),
        ("cuda-drivers-575", True),
        ("cuda-runtime-12-8", True),
        ("nvidia-driver-535", True),
        ("nvidia-driver-580-open", True),
        ("nvidia-driver-535-server-open", True),
        ("nvidia-dkms-580", True),
        ("nvidia-utils-535", True),
        ("libnvidia-compute-535", True),
        ("libcuda1", True),
        ("nvidia-smi", True),
        ("nvidia-open-580", True),
        ("cuda-toolkit-12-8", False),
        ("cuda-compat-13-0", False),
        ("cuda-keyring", False),
        ("cuda-driver-dev-13-0", False),
        ("libnvidia-container1", False),
        ("nvidia-container-toolkit", False),
        ("nvidia-cuda-toolkit", False),
        ("libcudnn9-cuda-13", False),
    ],
)
def test_driver_packages(name: str, driver: bool) -> None:
    assert platform.is_driver_package(name) == driver


def test_a_removed_driver_that_left_only_its_configuration_is_not_installed() -> None:
    states = {
        "nvidia-driver-535": {"version": "1", "state": "config-files"},
        "libcuda1": {"version": "1", "state": "installed"},
    }
    assert platform.driver_packages(changed(machine(), "packages", installed=states)) == ["libcuda1"]
