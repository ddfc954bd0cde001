"""One host in one run: its settings, what was last seen of it, and the plan that follows from both."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from pyinfra.api import Host, StringCommand

from facts.machine import Machine as MachineFact
from facts.machine import query
from plan import cache, exports, plan, problems, service, toolkit
from plan.cost import Cost
from plan.drift import Ours
from plan.machine import Machine, typed
from plan.plan import Plan
from plan.problems import Problem
from plan.settings import Settings
from tasks import helper


class Workstation:
    """Looks once and remembers, until something changes the machine: then `forget` makes the next look a fresh one."""

    def __init__(self, host: Host, settings: Settings, sudo_password: bool, repair: bool = False) -> None:
        self.host = host  # pyinfra's own: whichever host is at work, so only for this one's steps
        self.name: str = host.name
        self.settings = settings
        self.sudo_password = sudo_password
        self.repair = repair  # keep the release, and read every file whole
        self.hashes: bool | list[str] = repair
        self.logs = False  # tell what the server said too
        self._machine: Machine | None = None
        self._plan: Plan | None = None
        self.first: list[Problem] | None = (
            None  # what was wrong when the run began; None on a machine that was never set up
        )
        self.left: list[Problem] | None = None  # what is wrong at its end
        self.moved: dict[str, int] = {}  # bytes by job
        self.verified: str | None = None  # how the run ended here, set by the last step
        self.step = ""  # the one that is at work
        self.printed: dict[str, list[str]] = {}  # by step: what its commands said
        self.words: list[str] = []  # the last command's complaints
        self.fetching = False  # the model, in the background
        self.operations = 0  # of this run that are not done yet
        self.held: str | None = None  # why it was not begun
        self.cost: Cost | None = None  # what a run would download, under --dry
        self.needed = False  # by the others: a run for some of them needs this one too
        self.idle = False  # nothing is to be done here in this run
        self.unreachable: str | None = None  # what the connection said

    def __str__(self) -> str:
        return self.name

    def look(self) -> dict[str, Any] | None:
        """The probe's JSON, fresh; None where the target has no python3."""
        seen: dict[str, Any] | None = self.host.get_fact(MachineFact, query=self._query())
        return seen

    def _query(self) -> str:
        root = self.settings.root
        files = [
            f"{root}/lib/helper.pyz", f"{root}/service/environment", f"{root}/service/plan.json", f"{root}/service/supervisord.conf",
            f"{root}/service/api-key", f"~/{service.UNIT_FILE}", f"~/{service.WANTS_LINK}", exports.PROFILE, toolkit.PREFERENCES,
            f"{root}/lib/vllm_workstation_defaults.py",
        ]  # fmt: skip
        models = [self.settings.model] if self.settings.model.startswith(("/", "~/")) else []
        return query(
            root,
            self.settings.port,
            service.UNIT,
            files,
            models,
            self.settings.cuda_repository,
            self.hashes,
            self.logs,
            self.settings.host,
        )

    @property
    def machine(self) -> Machine | None:
        """The machine as last seen; None where it cannot be looked at."""
        if self._machine is None:
            seen = self.look()
            try:
                self._machine = typed(seen) if seen else None
            except ValidationError:
                self._machine = None
        return self._machine

    @property
    def plan(self) -> Plan | None:
        """The plan for the machine as last seen."""
        if self._plan is None and self.machine is not None:
            self._plan = plan.make(self.machine, self.settings, self.sudo_password, self.repair)
        return self._plan

    def problems(self) -> list[Problem]:
        """What is not as planned, as the machine was last seen."""
        if self.machine is None or self.plan is None or self.plan.refusals:
            return []
        return problems.find(self.machine, self.settings, self.plan, self.ours())

    def ours(self) -> Ours:
        """What this project delivers here."""
        delivered = {
            helper.path(self.root): helper.digest(),
            f"{self.root}/lib/{helper.DEFAULTS}": helper.sha256(helper.defaults()),
        }
        return Ours(files=delivered, tools=helper.tools_digest())

    def remember(self) -> None:
        """Keep what is wrong now as what was wrong at first; only once, and only where this machine was set up before."""
        if (
            self.plan is None
            or self.machine is None
            or self.first is not None
            or not problems.set_up_once(self.machine)
        ):
            return
        if not self.plan.refusals:
            self.first = self.problems()
            if self.repair:
                self.hashes = problems.suspects(self.machine, self.plan)
        elif self.plan.purge:  # the rest can be judged without the driver
            self.first = problems.apart(self.machine, self.settings, self.plan, self.ours())

    def remember_more(self) -> None:
        """Add what could not be judged before the release was known."""
        if self.first is not None:
            self.first += [problem for problem in self.problems() if problem not in self.first]

    @property
    def last_plan(self) -> Plan | None:
        """The plan as it is known, without a look: for the end of a run."""
        return self._plan

    def begin(self) -> None:
        """Nothing is known: what was seen while preparing may be long ago."""
        self.forget()
        self.first = None

    def forget(self) -> None:
        """The machine was changed."""
        self._machine = self._plan = None

    @property
    def root(self) -> str:
        """Our root directory on the target, absolute."""
        return self.machine.releases.root if self.machine else self.settings.root

    @property
    def cache(self) -> str:
        """`HOST:PORT` of the lab's cache; empty where there is none."""
        named = cache.address(self.settings)
        return f"{named[0]}:{named[1]}" if named else ""

    def as_root(self, *bits: Any) -> StringCommand:
        """A command for root, by sudo where the login is not root."""
        is_root = self.machine is not None and self.machine.system.sudo.root
        return StringCommand(*bits) if is_root else StringCommand(*bits, _sudo=True)


_known: dict[str, Workstation] = {}


def of(host: Host, settings: Settings, sudo_password: bool = False, repair: bool = False) -> Workstation:
    """The one Workstation of a host in this run."""
    if host.name not in _known:
        _known[host.name] = Workstation(host, settings, sudo_password, repair)
    return _known[host.name]


def all_known() -> dict[str, Workstation]:
    """Every host of this run that was looked at, by name."""
    return _known
