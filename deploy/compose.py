"""The steps that the deploy scripts are made of. Each reads its host's plan when it runs, never before."""

from __future__ import annotations

import socket

from pyinfra import config, host, state
from pyinfra.api.exceptions import DeployError

from plan import settings
from plan.settings import Settings
from tasks import (
    check,
    cuda,
    exports,
    model,
    own,
    packages,
    pinned,
    release,
    report,
    service,
    tools,
    verify,
    workstation,
    wsl,
)
from tasks import doctor as physician
from tasks.workstation import Workstation


def begin(repair: bool = False) -> Workstation:
    """Read the settings (a bad one ends the run here, with nothing touched) and prepare the end's table.

    `repair`: keep the release that was chosen before, and read libraries and weights whole.
    """
    wanted = _settings()
    report.register(state, repair)
    return _workstation(wanted, repair)


def _settings() -> Settings:
    try:
        return settings.read(host.data.dict())  # type: ignore[no-untyped-call]
    except settings.SettingsError as error:
        raise DeployError(f"{host.name}: {error}. Nothing was changed; settings are in group_data/all.py.") from None


def _workstation(wanted: Settings, repair: bool) -> Workstation:
    _no_delay()
    given = [getattr(config, name, None) for name in ("USE_SUDO_PASSWORD", "SUDO_PASSWORD")]
    password = any([*given, host.data.get("_sudo_password"), host.data.get("_use_sudo_password")])
    return workstation.of(host, wanted, password, repair)


def _no_delay() -> None:
    """paramiko leaves Nagle's algorithm on, which costs 40 ms a command."""
    client = getattr(host.connector, "client", None)
    transport = client.get_transport() if client is not None else None
    if transport is not None:
        transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def base(ws: Workstation) -> None:
    """A machine that can be looked at, with packages and our tools."""
    check.python(ws, name="Find python3")
    own.files(ws, name="Own what is ours")
    own.processes(ws, name="End what nothing supervises")
    packages.no_driver(ws, name="Keep Linux drivers out of WSL")
    check.machine(ws, name="Check the machine")
    packages.present(ws, name="Install build tools")
    tools.present(ws, name="Install our tools")
    pinned.present(ws, name="Try how much host memory can be pinned")
    release.chosen(ws, name="Choose the vLLM release")


def toolkit(ws: Workstation) -> None:
    """The CUDA toolkit and its exports."""
    cuda.source(ws, name="Set up NVIDIA's repository")
    cuda.installed(ws, name="Install the CUDA toolkit")
    exports.profile(ws, name="Write the PATH and LD_LIBRARY_PATH exports")


def weights_started(ws: Workstation) -> None:
    """The model's download, in the background."""
    model.started(ws, name="Start fetching the model")


def vllm(ws: Workstation) -> None:
    """The release, built beside what serves."""
    release.present(ws, name="Build the vLLM release")


def weights(ws: Workstation) -> None:
    """The model, complete and checked."""
    model.present(ws, name="Finish and check the model")


def server(ws: Workstation) -> None:
    """The service, started and answering."""
    wsl.systemd(ws, name="Switch on systemd in WSL")
    service.linger(ws, name="Let the user's services run without a login")
    release.current(ws, name="Switch to the release")
    service.files(ws, name="Write the service")
    service.running(ws, name="Start the server and hear it answer")


def end(ws: Workstation) -> None:
    """Look again."""
    verify.converged(ws, name="Verify")


def doctor() -> None:
    """Only look. Ends the process after the last host, before pyinfra asks whether to change something."""
    wanted = None
    try:
        wanted = _settings()
        ws = _workstation(wanted, repair=False)
        password, ws.sudo_password = ws.sudo_password, True  # to look needs no sudo; to mend what is found may
        ws.logs, ws.hashes = True, wanted.thorough
        physician.see(ws, password)
    except Exception as error:  # one host's trouble is its own
        physician.failed(host, wanted, error)
    physician.finish(state)


def everything(repair: bool = False) -> None:
    """All steps, in order."""
    ws = begin(repair)
    base(ws)
    weights_started(ws)
    toolkit(ws)
    vllm(ws)
    weights(ws)
    server(ws)
    end(ws)
