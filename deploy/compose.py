"""The steps that the deploy scripts are made of. Each reads its host's plan when it runs, never before."""

from __future__ import annotations

from pyinfra import config, host, state
from pyinfra.api.exceptions import DeployError

from plan import settings
from plan.settings import Settings
from tasks import (
    cache,
    check,
    cuda,
    exports,
    gateway,
    model,
    own,
    packages,
    pinned,
    release,
    report,
    rollout,
    service,
    settle,
    steps,
    tools,
    verify,
    wheelhouse,
    workstation,
    wsl,
)
from tasks.steps import Step
from tasks.workstation import Workstation


def begin(repair: bool = False) -> Workstation:
    """Read the settings (a bad one ends the run here, with nothing touched) and prepare the end's table.

    `repair`: keep the release that was chosen before, and read libraries and weights whole.
    """
    wanted = settings_here()
    report.register(state, repair)
    ws = workstation_here(wanted, repair)
    rollout.join(ws)
    return ws


def settings_here() -> Settings:
    """This host's settings. Raises DeployError where one cannot be used."""
    try:
        return settings.read(host.data.dict())  # type: ignore[no-untyped-call]
    except settings.SettingsError as error:
        raise DeployError(f"{host.name}: {error}. Nothing was changed; settings are in group_data/all.py.") from None


def workstation_here(wanted: Settings, repair: bool) -> Workstation:
    """This host in this run."""
    given = [getattr(config, name, None) for name in ("USE_SUDO_PASSWORD", "SUDO_PASSWORD")]
    password = any([*given, host.data.get("_sudo_password"), host.data.get("_use_sudo_password")])
    return workstation.of(host, wanted, password, repair)


# A machine that can be looked at, with packages and our tools.
BASE: tuple[Step, ...] = (
    ("Find python3", check.python),
    ("Own what is ours", own.files),
    ("End what nothing supervises", own.processes),
    ("Keep Linux drivers out of WSL", packages.no_driver),
    ("Check the machine", check.machine),
    ("Install build tools", packages.present),
    ("Install our tools", tools.present),
    ("Try how much host memory can be pinned", pinned.present),
    ("Choose the vLLM release", release.chosen),
)
MODEL_STARTED: tuple[Step, ...] = (("Start fetching the model", model.started),)  # in the background
TOOLKIT: tuple[Step, ...] = (
    ("Set up NVIDIA's repository", cuda.source),
    ("Install the CUDA toolkit", cuda.installed),
    ("Write the PATH and LD_LIBRARY_PATH exports", exports.profile),
)
VLLM: tuple[Step, ...] = (("Build the vLLM release", release.present),)  # beside what serves
CONVERTER: tuple[Step, ...] = (("Build the vLLM release", release.converter),)  # where the model is made with it
MODEL: tuple[Step, ...] = (("Finish and check the model", model.present),)
SERVER: tuple[Step, ...] = (
    ("Switch on systemd in WSL", wsl.systemd),
    ("Let the user's services run without a login", service.linger),
    ("Switch to the release", release.current),
    ("Write the service", service.files),
    ("Start the server and hear it answer", service.running),
    ("Verify", verify.converged),
)
START: tuple[Step, ...] = (BASE[0], ("Wait for a server that starts", settle.server))
ALL = (*START, *BASE[1:], *MODEL_STARTED, *TOOLKIT, *VLLM, *MODEL, *SERVER)

ENDPOINT_FIRST: tuple[Step, ...] = (
    ("Find python3", gateway.python),
    ("Install nginx and our helper", gateway.programme),
    ("Make certificates", gateway.identity),
)
ENDPOINT: tuple[Step, ...] = (
    ("Write the endpoint", gateway.files),
    ("Start the endpoint", gateway.running),
    ("Verify", gateway.verified),
)

CACHE: tuple[Step, ...] = (
    ("Find python3", cache.python),
    ("Install nginx and our helper", cache.programme),
    ("Write the cache", cache.files),
    ("Take what the wheelhouse holds", wheelhouse.carried),
    ("Start the cache", cache.running),
    ("Verify", cache.verified),
)


def run(*parts: tuple[Step, ...], repair: bool = False, name: str = "Set up the workstation") -> None:
    """These steps, in order, as one operation a host."""
    ws = begin(repair)
    if ws.settings.role in ("gateway", "other"):
        ws.verified = f"left alone: role = {ws.settings.role}"
        ws.idle = True
        return
    steps.run(ws, [step for part in parts for step in part], name)


def endpoint() -> None:
    """Two operations a host: all have a certificate before any is told whom to admit."""
    ws = begin()
    if ws.settings.role == "other":
        ws.verified, ws.idle = "left alone: role = other", True
        return
    ws.needed = ws.settings.role in ("gateway", "both")
    steps.run(ws, ENDPOINT_FIRST, "Make certificates for the endpoint", waves=False)
    steps.run(ws, ENDPOINT, "Set up the endpoint")


def lan_cache() -> None:
    """The machine that keeps what the others download."""
    steps.run(begin(), CACHE, "Set up the cache")


def fill_wheelhouse() -> None:
    """What the cache keeps, in a folder for a lab without internet."""
    steps.run(begin(), (("Fill the wheelhouse", wheelhouse.given),), "Fill the wheelhouse")
