"""What a doctor tells of one machine and of a lab: the data behind the terminal, report.json and report.html."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, field_validator

from plan.plain import plain

VERSION: Literal[1] = 1  # of this form; it grows when a field changes its meaning or goes
Severity = Literal[
    "error", "warning"
]  # error: it does not serve, or will not after the next start; warning: it differs
Actor = Literal["rerun", "person"]  # who mends it: deploy/full.py when it is run again, or somebody
State = Literal["healthy", "rerun", "person", "unreachable"]
Exit = Literal[0, 1, 2]
EXIT: dict[State, Exit] = {"healthy": 0, "rerun": 1, "person": 2, "unreachable": 2}


class Told(BaseModel):
    """Base of everything that is told: immutable, nothing unknown in it, and no text that a terminal would obey."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _plain(cls, value: object) -> object:
        return plain(value) if isinstance(value, str) else value


class Words(Told):
    """A sentence in English and in Traditional Chinese as written in Taiwan."""

    en: str
    zh: str


class Diagnosis(Told):
    """One finding. `evidence`: the very line or value. `risk`: what applying the fix costs or endangers."""

    code: str
    severity: Severity
    actor: Actor
    evidence: str
    cause: Words
    fix: Words
    risk: Words
    also: int = 0  # more of the same code that are not listed apart


class Card(Told):
    """The GPU that serves; GiB."""

    name: str
    total_gib: float | None = None
    free_gib: float | None = None
    driver: str | None = None
    compute_capability: str | None = None


class Part(Told):
    """A part of the memory plan in GiB. `where`: on the card, or in the machine's own memory (pinned, read over PCIe)."""

    name: Literal["context", "weights", "activations", "graphs", "kv", "reserve", "offloaded"]
    gib: float
    where: Literal["card", "host"] = "card"


class Memory(Told):
    """The plan for the card's memory: the parts on the card add up to what it takes, `free_gib` is what was free for it."""

    free_gib: float
    parts: list[Part]
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    kv_tokens: int | None = None
    predicted_tok_s: float | None = None


class Answer(Told):
    """The last answer that was asked for after a start; tokens/s of the question with the most tokens, whole request."""

    text: str
    at: str | None = None  # ISO 8601, UTC
    seconds: float | None = None
    tokens: int | None = None
    tok_s: float | None = None


class Vulnerability(Told):
    """A known hole of the release that serves and that applies here. `compensated`: by what it is kept from mattering; None where by nothing."""

    id: str
    severity: Literal["low", "medium", "high", "critical"]
    text: Words
    applies: Words
    fixed: str | None = None
    compensated: Words | None = None


class Advice(Told):
    """Something worth doing on this machine that stops nothing, with its numbers."""

    code: str
    text: Words


class Drift(Told):
    """Codes of findings against the last report in the same folder."""

    since: str  # ISO 8601, UTC, of that report
    new: list[str] = []
    gone: list[str] = []


class HostReport(Told):
    """One machine. `primary` is the finding to start with; `others` are under it; both empty where nothing is wrong."""

    name: str
    state: State
    exit: Exit = 0  # what the doctor would end with for this machine alone
    primary: Diagnosis | None = None
    others: list[Diagnosis] = []
    system: str | None = None  # "Ubuntu 24.04 in WSL 2"
    card: Card | None = None
    engine: str | None = None
    release: str | None = None
    model: str | None = None
    url: str | None = None
    answer: Answer | None = None
    memory: Memory | None = None
    vulnerabilities: list[Vulnerability] = []
    advice: list[Advice] = []
    changes: list[Words] = []  # what deploy/full.py would do, in its order
    drift: Drift | None = None

    @property
    def findings(self) -> list[Diagnosis]:
        """All of them, the primary first."""
        return [*([self.primary] if self.primary else []), *self.others]


class Report(Told):
    """A whole lab. `exit`: 0 healthy, 1 something needs a re-run, 2 something needs a person."""

    version: Literal[1] = VERSION
    made_at: str  # ISO 8601, UTC
    tool: str  # name and version of this project
    redacted: bool = False
    exit: Exit
    hosts: list[HostReport]
