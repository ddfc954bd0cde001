"""A machine as the planner sees it: the probe's JSON, typed. Unknown is None."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Seen(BaseModel):
    """Base of everything observed: immutable, and blind to what it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Os(Seen):
    id: str | None = None
    version_id: str | None = None
    codename: str | None = None
    name: str | None = None


class User(Seen):
    name: str
    uid: int
    gid: int = 0
    home: str


class Sudo(Seen):
    root: bool = False
    present: bool = False
    passwordless: bool = False


class Memory(Seen):
    total_mib: int | None = None
    available_mib: int | None = None
    swap_mib: int | None = None


class Disk(Seen):
    free_bytes: int | None = None


class Python(Seen):
    headers: bool = False
    venv: bool = False


class System(Seen):
    os: Os = Os()
    kernel: str = ""
    arch: str = ""
    user: User
    sudo: Sudo = Sudo()
    systemd: bool = False
    container: str | None = None
    cpu_flags: list[str] = []
    cpus: int = 1
    memory: Memory = Memory()
    disk: Disk = Disk()
    python: str = ""
    pythons: dict[str, Python] = {}
    gcc: str | None = None
    ca_bundle: bool = False


class Wsl(Seen):
    version: int = 0
    kernel: str | None = None
    dxg: bool = False
    conf: str | None = None
    systemd_configured: bool | None = None
    libcuda: bool = False


class Gpu(Seen):
    """One card; memory in MiB."""

    index: int
    name: str
    memory_total_mib: int | None = None
    memory_free_mib: int | None = None
    driver: str | None = None
    compute_capability: str | None = None
    pcie_generation: int | None = None
    pcie_width: int | None = None


class Pci(Seen):
    address: str
    driver: str | None = None


class Gpus(Seen):
    smi_path: str | None = None
    error: str | None = None
    devices: list[Gpu] = []
    driver: str | None = None
    cuda: str | None = None
    pci: list[Pci] = []


class Package(Seen):
    version: str
    state: str


class Packages(Seen):
    dpkg: bool = False
    interrupted: bool = False
    halfway: list[str] = []
    installed: dict[str, Package] = {}


class Source(Seen):
    file: str
    line: int
    enabled: bool
    uri: str
    suite: str
    signed_by: str | None = None


class Apt(Seen):
    cuda_sources: list[Source] = []
    keys: dict[str, list[str]] = {}
    cuda_lists: bool = False
    lists: bool = False


class InstalledToolkit(Seen):
    path: str
    nvcc: str | None = None


class Toolkits(Seen):
    installed: dict[str, InstalledToolkit] = {}
    current: str | None = None
    link_dangling: bool = False
    lost: dict[str, int] = {}


class StartupLine(Seen):
    file: str
    line: int
    text: str
    version: str | None = None


class Exports(Seen):
    lines: list[StartupLine] = []
    hooks: int = 0
    library_path: str = ""
    login: dict[str, list[str]] = {}
    interactive: dict[str, list[str]] = {}


class File(Seen):
    kind: str
    mode: str
    uid: int
    sha256: str | None = None
    target: str | None = None


class Venv(Seen):
    python_works: bool = False
    python: str | None = None
    complete: dict[str, Any] | None = None
    lock: str | None = None  # the name that the lock in it has by its content
    distributions: dict[str, str] = {}


class Releases(Seen):
    root: str
    root_present: bool = False
    choice: dict[str, Any] | None = None
    start: dict[str, Any] | None = None
    outcomes: dict[str, Any] | None = None
    pinned: dict[str, Any] | None = None
    tools: Venv | None = None
    releases: dict[str, Venv] = {}
    current: str | None = None
    current_kind: str | None = None
    locks: dict[str, str | None] = {}


class Finding(Seen):
    """What is wrong with an installed distribution or with what the loader would pick (facts/probe/libraries.py)."""

    code: str
    message: str
    package: str | None = None
    path: str | None = None
    fix: str | None = None
    level: str = "drift"
    cause: str = "package"
    how: str | None = None


class Libraries(Seen):
    """The check of one venv; `count` findings, of which the first are in `findings`."""

    verdict: str
    findings: list[Finding] = []
    count: int = 0


class Owner(Seen):
    """Paths of ours that belong to another user."""

    root: list[str] = []
    home: list[str] = []


class WeightFile(Seen):
    size: int
    mtime_ns: int
    sha256: str | None = None


class Weights(Seen):
    files: dict[str, WeightFile] = {}
    partial_bytes: int = 0
    verified: dict[str, Any] | None = None


class Unit(Seen):
    load: str
    active: str | None = None
    sub: str | None = None
    enabled: str | None = None
    result: str | None = None
    pid: int | None = None
    restarts: int | None = None
    needs_reload: bool = False
    drop_ins: list[str] = []
    drop_ins_on_disk: list[str] = []
    spec: str | None = None
    started: str | None = None


class Holder(Seen):
    pid: int | None = None
    command: str | None = None
    spec: str | None = None


class Supervised(Seen):
    pid: int
    spec: str | None = None
    started: str | None = None


class Orphan(Seen):
    """A process of our server that nothing supervises."""

    pid: int
    command: str = ""
    spec: str | None = None


class Service(Seen):
    unit: Unit | None = None
    supervised: Supervised | None = None
    orphans: list[Orphan] = []
    linger: bool = False
    port_holders: list[Holder] = []
    health: int | None = None
    key_present: bool = False
    draining: bool = False
    key_digest: str | None = None
    answered: str | None = None


class Job(Seen):
    """A background job of ours, as it ended last; Unix time."""

    state: str | None = None
    ended: float | None = None
    log: str = ""


class Logs(Seen):
    """What was said last, without secrets; None where there is none to read. `wslconfig`: Windows' own file."""

    hostname: str = ""
    server: str | None = None
    kernel: str | None = None
    jobs: dict[str, Job] = {}
    wslconfig: str | None = None


class Machine(Seen):
    """Everything; a subject that could not be observed keeps its empty value and is named in `errors`."""

    system: System
    wsl: Wsl = Wsl()
    gpu: Gpus = Gpus()
    packages: Packages = Packages()
    apt: Apt = Apt()
    toolkit: Toolkits = Toolkits()
    exports: Exports = Exports()
    files: dict[str, File | None] = {}
    owner: Owner = Owner()
    releases: Releases
    libraries: dict[str, Libraries] = {}
    weights: dict[str, Weights | None] = {}
    service: Service = Service()
    logs: Logs | None = None
    errors: dict[str, str] = {}


def typed(seen: dict[str, Any]) -> Machine:
    """The machine that a probe's JSON describes. Raises pydantic.ValidationError where that is no probe's answer."""
    return Machine.model_validate({key: value for key, value in seen.items() if value is not None})
