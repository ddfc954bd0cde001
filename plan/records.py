"""What we wrote on the machine about earlier starts, read back with care: anybody may have edited it since."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from plan.machine import Machine

NEAR_MIB = 256  # kernels count a machine's memory a little differently from boot to boot


# What a record may say: a figure outside was not written by us.
Gib = Annotated[float, Field(ge=-8, le=4096, allow_inf_nan=False)]
Mib = Annotated[int, Field(ge=0, le=1 << 22)]


class Kept(BaseModel):
    """Base of what is kept: blind to what it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class CardRecord(Kept):
    """The card as a start was planned for it (`card` in plan.json). MiB and GiB as named."""

    index: int | None = None
    name: str | None = None
    total_mib: Mib | None = None
    free_mib: Mib | None = None
    host_mib: Mib | None = None
    version: str | None = None
    plugin: bool = False
    key: str | None = None
    learnt: dict[str, Gib] = {}
    tables_gib: dict[str, Gib] = {}
    peaks_gib: dict[str, Gib] = {}
    pinned_gib: Gib = 0.0


class Failure(Kept):
    """A start that ran out of memory: at which stage, and how many MiB were missing where the log said so."""

    stage: str
    spec: str | None = None
    short_mib: Mib | None = None
    words: str = ""
    card: CardRecord


class Measured(Kept):
    """What the last start that answered took, GiB."""

    card: CardRecord
    weights_gib: Gib | None = None
    graphs_gib: Gib | None = None
    free_mib: Mib | None = None


class Pinned(Kept):
    """What was tried to pin, MiB; `mib` None where nothing came of it."""

    mib: Mib | None = None
    asked_mib: Mib = 0
    total_mib: Mib | None = None
    kernel: str | None = None


Model = TypeVar("Model", bound=Kept)


def _read(model: type[Model], value: Any) -> Model | None:
    try:
        return model.model_validate(value)
    except ValidationError:
        return None


def card(machine: Machine) -> CardRecord:
    """The card of the recorded start; empty where there is none."""
    return _read(CardRecord, (machine.releases.start or {}).get("card") or {}) or CardRecord()


def failures(machine: Machine) -> list[Failure]:
    """Starts that ran out of memory, oldest first."""
    told = (machine.releases.outcomes or {}).get("failures")
    rows = [_read(Failure, row) for row in told] if isinstance(told, list) else []
    return [row for row in rows if row is not None]


def measured(machine: Machine) -> Measured | None:
    """The last start that answered."""
    return _read(Measured, (machine.releases.outcomes or {}).get("measured"))


def pinned(machine: Machine) -> Pinned | None:
    """What was tried of this machine's memory; None under another kernel or with other memory, give or take NEAR_MIB."""
    found = _read(Pinned, machine.releases.pinned)
    total = machine.system.memory.total_mib
    if found is None or found.total_mib is None or total is None:
        return None
    known = found.kernel in (None, machine.system.kernel)
    return found if known and abs(found.total_mib - total) <= NEAR_MIB else None
