"""What a run would download: told before anything is done."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from plan import tools
from plan.machine import Machine, Venv
from plan.model import Model, ready
from plan.plan import Plan
from plan.release import Release

TOOLS_BYTES = 26_218_993  # of requirements/tools.txt for Python 3.12 (its index, 2026-11-23)


class Cost(BaseModel):
    """Bytes by what they are for; None: not known before it is asked for. `rate`: measured now, bytes/s."""

    model_config = ConfigDict(frozen=True)
    parts: dict[str, int | None] = {}
    rate: float | None = None

    @property
    def known(self) -> int:
        """Bytes of the parts that are known."""
        return sum(size or 0 for size in self.parts.values())

    @property
    def unknown(self) -> list[str]:
        """Parts whose size is not known."""
        return [name for name, size in self.parts.items() if size is None]


def of(machine: Machine, plan: Plan, tools_digest: str) -> Cost:
    """What this plan still lacks here. Wheels by the catalogue's figure for the release; what uv has in its cache is not looked for."""
    if plan.refusals:
        return Cost()
    parts: dict[str, int | None] = {}
    if tools.why_not(machine, tools_digest) is not None:
        parts["tools"] = TOOLS_BYTES
    release = plan.release or (plan.candidates[0].release if plan.candidates else None)
    if release is not None and not _built(machine, plan):
        parts["vLLM"] = _wheels(release)
    if plan.model is not None and plan.model.kind != "directory" and not ready(machine, plan.model):
        parts["model"] = _weights(machine, plan.model)
    if plan.toolkit is not None and plan.toolkit_version is None:
        parts["CUDA toolkit"] = None  # apt knows once NVIDIA's repository is set up
    return Cost(parts=parts)


def _built(machine: Machine, plan: Plan) -> bool:
    return bool(plan.choice and machine.releases.releases.get(plan.choice.lock, Venv()).complete)


def _wheels(release: Release) -> int | None:
    return release.download_bytes


def _weights(machine: Machine, model: Model) -> int | None:
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
    told = ", ".join(f"{name} {size / 1e9:.2f}" for name, size in cost.parts.items() if size is not None)
    first = f"would download {cost.known / 1e9:.2f} GB ({told})" if told else "would download"
    more = f"{' and' if told else ''} the {' and the '.join(cost.unknown)} (size not known yet)" if cost.unknown else ""
    return first + (" " + more.strip() if more else "") + _minutes(cost.known, cost.rate)


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
    minutes = f", about {max(1, round(longest / 60))} min for the slowest" if longest else ""
    unknown = sorted({name for cost in busy for name in cost.unknown})
    more = f" and the {' and the '.join(unknown)}" if unknown else ""
    return f"in all: {size / 1e9:.2f} GB{more} for {len(busy)} of {len(costs)} machines{minutes}"
