"""What a run would download: told before anything is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from plan import tools
from plan.machine import Machine, Venv
from plan.model import Model, ready
from plan.plan import Plan, missing_packages
from plan.release import Release

PACKAGES, TOOLS, INDEX, VLLM, MODEL, TOOLKIT = "Debian packages", "tools", "index", "vLLM", "model", "CUDA toolkit"
INDEX_BYTES = 69_400_000  # pages and metadata that the resolver reads once (a bare CPU machine, 2026-11-24)
TOOLS_BYTES = 26_218_993  # of requirements/tools.txt for Python 3.12 (its index, 2026-11-23)


class Cost(BaseModel):
    """Bytes by what they are for; None: not known before it is asked for. `rate`: measured now, bytes/s.

    `names`: which release, model … each part is, so that equal ones are known. `guess`: the release that vLLM's figure is of, where none is
    chosen yet. `cache`: the lab's, where this machine asks one.
    """

    model_config = ConfigDict(frozen=True)
    parts: dict[str, int | None] = {}
    rate: float | None = None
    names: dict[str, str] = {}
    guess: str | None = None
    cache: str = ""

    @property
    def known(self) -> int:
        """Bytes of the parts that are known."""
        return sum(size or 0 for size in self.parts.values())

    @property
    def unknown(self) -> list[str]:
        """Parts whose size is not known."""
        return [name for name, size in self.parts.items() if size is None]


def of(machine: Machine, plan: Plan, tools_digest: str, apt: Mapping[str, int | None] | None = None) -> Cost:
    """What this plan still lacks here. `apt`: bytes of PACKAGES and TOOLKIT, where apt could be asked.

    Wheels by the catalogue's figure for the release; what uv has in its cache is not looked for.
    """
    if plan.refusals:
        return Cost()
    apt = apt or {}
    parts: dict[str, int | None] = {}
    names: dict[str, str] = {}
    if missing := missing_packages(machine, plan.packages):
        parts[PACKAGES], names[PACKAGES] = apt.get(PACKAGES), f"{machine.system.os.name} {' '.join(missing)}"
    if tools.why_not(machine, tools_digest) is not None:
        parts[TOOLS], names[TOOLS] = TOOLS_BYTES, machine.system.python
    if plan.choice is None and plan.candidates:
        parts[INDEX], names[INDEX] = INDEX_BYTES, plan.key
    release = plan.release or _likely(plan)
    if release is not None and not _built(machine, plan):
        parts[VLLM], names[VLLM] = release.download_bytes, release.name
    if plan.model is not None and plan.model.kind != "directory" and not ready(machine, plan.model):
        parts[MODEL], names[MODEL] = _weights(machine, plan.model), f"{plan.model.name} {plan.model.revision}"
    if plan.toolkit is not None and plan.toolkit_version is None:
        parts[TOOLKIT], names[TOOLKIT] = apt.get(TOOLKIT), f"{machine.system.os.name} {plan.toolkit.versions[0]}"
    guess = release.name if release and VLLM in parts and plan.release is None else None
    return Cost(parts=parts, names=names, guess=guess)


def choices(machine: Machine, plan: Plan) -> dict[str, str]:
    """What to ask apt (facts/archives.py), by part: only where its lists are there."""
    found = {}
    if plan.refusals or not machine.apt.lists:
        return {}
    if missing := missing_packages(machine, plan.packages):
        found[PACKAGES] = " ".join(missing)
    if plan.toolkit is not None and plan.toolkit_version is None and machine.apt.cuda_lists:
        found[TOOLKIT] = ";".join(f"cuda-toolkit-{version.replace('.', '-')}" for version in plan.toolkit.versions)
    return found


def only(cost: Cost, parts: Sequence[str]) -> Cost:
    """Of a run that does some of the steps."""
    return cost.model_copy(update={"parts": {name: size for name, size in cost.parts.items() if name in parts}})


def _likely(plan: Plan) -> Release | None:
    """The release to reckon with where the resolver was not asked yet: the first candidate whose size is known."""
    known = [one.release for one in plan.candidates if one.release.download_bytes is not None]
    return next(iter([*known, *(one.release for one in plan.candidates)]), None)


def _built(machine: Machine, plan: Plan) -> bool:
    return bool(plan.choice and machine.releases.releases.get(plan.choice.lock, Venv()).complete)


def _weights(machine: Machine, model: Model) -> int | None:
    if model.kind == "packaged":
        return model.download_bytes
    total = sum(size for size, _ in model.files.values()) if model.files else model.bytes
    if not total:
        return None
    seen = machine.weights.get(model.directory)
    there = sum(file.size for file in seen.files.values()) + seen.partial_bytes if seen else 0
    return max(0, total - there)


def sample(model: Model | None) -> str | None:
    """Where a piece can be read to measure the rate: the largest file of a model on a hub; None where there is none."""
    if model is None or not model.files or model.endpoint is None:
        return None
    name = max(model.files, key=lambda name: model.files[name][0] if model.files else 0)
    return f"{model.endpoint}/{model.name}/resolve/{model.revision}/{name}"


def text(cost: Cost) -> str:
    """`would download 18.1 GB (vLLM 4.2, model 13.8, tools 0.0) and the CUDA toolkit, about 14 min at the 21.0 MB/s measured now`."""
    if not cost.parts:
        return "would download nothing"
    told = ", ".join(f"{_named(name, cost)} {size / 1e9:.2f}" for name, size in cost.parts.items() if size is not None)
    first = f"would download {cost.known / 1e9:.2f} GB ({told})" if told else "would download"
    more = f"{' and' if told else ''} the {' and the '.join(cost.unknown)} (size not known yet)" if cost.unknown else ""
    return first + (" " + more.strip() if more else "") + _minutes(cost.known, cost.rate)


def _named(part: str, cost: Cost) -> str:
    return f"{part} (if {cost.guess})" if part == VLLM and cost.guess else part


def _minutes(size: int, rate: float | None) -> str:
    if not size:
        return ""
    if not rate:
        return ", at a rate that could not be measured"
    return f", about {max(1, round(size / rate / 60))} min at the {rate / 1e6:.1f} MB/s measured now"


def lab(costs: Sequence[Cost]) -> str:
    """All hosts together; the rates were measured at once, so that they share what the lab has."""
    busy = [cost for cost in costs if cost.parts]
    size = sum(cost.known for cost in busy)
    longest = max((cost.known / cost.rate for cost in busy if cost.rate and cost.known), default=None)
    whole = all(cost.rate for cost in busy if cost.known)
    slowest = "the slowest" if whole else "the slowest whose rate could be measured"
    minutes = f", about {max(1, round(longest / 60))} min for {slowest}" if longest else ""
    unknown = sorted({name for cost in busy for name in cost.unknown})
    more = f" and the {' and the '.join(unknown)}" if unknown else ""
    told = f", at most {outside(busy) / 1e9:.2f} GB{more} of it from outside" if any(cost.cache for cost in busy) else ""
    return f"in all: {size / 1e9:.2f} GB{more} for {len(busy)} of {len(costs)} machines{told}{minutes}"


def outside(costs: Sequence[Cost]) -> int:
    """Bytes that the internet gives: a cache fetches what several of its machines need once."""
    once: dict[tuple[str, ...], int] = {}
    for number, cost in enumerate(costs):
        for name, size in cost.parts.items():
            whose = (cost.cache, cost.names.get(name, "")) if cost.cache else ("", str(number))
            once[(name, *whose)] = max(once.get((name, *whose), 0), size or 0)
    return sum(once.values())
