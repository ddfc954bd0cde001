"""The server's command line and environment, for the chosen release on this machine."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from packaging.version import Version
from pydantic import BaseModel, ConfigDict

from plan import card as cards
from plan import tuned
from plan.candidates import Candidate
from plan.evidence import Reason
from plan.machine import Gpu, Machine
from plan.model import Model
from plan.settings import Settings
from plan.toml import table


class Serve(BaseModel):
    """How to start the server. `spec` changes whenever any of it does."""

    model_config = ConfigDict(frozen=True)
    arguments: list[str]
    environment: dict[str, str]
    spec: str
    reasons: list[Reason]
    card: dict[str, Any] | None = None


def options(version: Version, wanted: dict[str, Any]) -> tuple[list[str], dict[str, str], list[str]]:
    """(arguments, environment, names that this version has no form for) of wanted options, in the table's order."""
    arguments: list[str] = []
    environment: dict[str, str] = {}
    done = set()
    for row in table("flags")["option"]:
        value = wanted.get(row["name"])
        if value is None or not Version(row.get("since", "0")) <= version < Version(row.get("until", "999")):
            continue
        done.add(row["name"])
        if "env" in row:
            environment[row["env"]] = row.get("values", {}).get(value, str(value))
        else:
            arguments += _argument(row, value)
    return (
        arguments,
        environment,
        sorted(name for name, value in wanted.items() if value is not None and name not in done),
    )


def _argument(row: dict[str, Any], value: Any) -> list[str]:
    if value is True:
        return [row["flag"]]
    if value is False:
        return [row["off"]] if "off" in row else []
    return [row["flag"], *([str(v) for v in value] if isinstance(value, list) else [str(value)])]


def render(machine: Machine, settings: Settings, picked: Candidate, lock: str, model: Model, gpu: Gpu | None) -> Serve:
    """The start of this release with this model."""
    version = Version(picked.release.version.public)
    wanted: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "served_model_name": model.served if settings.served_model_name == "auto" else settings.served_model_name,
    }
    options_, environment, reasons = tuned.tuned(machine, settings, picked, model, gpu)
    wanted |= options_ | _effort(settings, model, environment, machine)
    if wanted.get("async_scheduling") is True and version >= Version("0.14"):
        wanted.pop("async_scheduling")  # on by default since 0.14
    arguments, more, missing = options(version, wanted)
    reasons = [*reasons, *(Reason(text=f"vLLM {version} has no {name}; left out.") for name in missing)]
    arguments = ["serve", model.directory, *arguments]
    environment |= more
    spec = _spec(lock, model, arguments, environment, settings.require_api_key)
    planned = _card(machine, gpu, picked) if gpu else None
    return Serve(arguments=arguments, environment=environment, spec=spec, reasons=reasons, card=planned)


def _card(machine: Machine, gpu: Gpu, picked: Candidate) -> dict[str, Any]:
    """The card as it was planned for; kept in plan.json so that the next run plans with the same figures."""
    free = round(cards.free_gib(machine, gpu) * 1024)
    told: dict[str, Any] = {"index": gpu.index, "name": gpu.name, "total_mib": gpu.memory_total_mib, "free_mib": free}
    told |= {"host_mib": machine.system.memory.total_mib, "version": picked.release.version.public}
    if picked.fitting:
        found = picked.fitting.fit
        peaks = {"load": found.load_peak_gib, "steady": sum(found.memory_gib.values())}
        told |= {
            "plugin": found.plugin,
            "key": picked.fitting.key,
            "learnt": picked.fitting.learnt,
            "tables_gib": found.tables_gib,
        }
        told |= {
            "peaks_gib": {name: round(value, 3) for name, value in peaks.items()},
            "pinned_gib": round(found.pinned_gib, 3),
        }
    return told


def _effort(settings: Settings, model: Model, environment: dict[str, str], machine: Machine) -> dict[str, Any]:
    """The default reasoning effort, which vLLM has no option for."""
    if settings.reasoning_effort == "auto" or not model.is_gpt_oss:
        return {}
    environment |= {
        "VLLM_WORKSTATION_REASONING_EFFORT": settings.reasoning_effort,
        "PYTHONPATH": f"{machine.releases.root}/lib",
    }
    return {"middleware": "vllm_workstation_defaults.ReasoningEffort"}


def _spec(lock: str, model: Model, arguments: list[str], environment: dict[str, str], key: bool) -> str:
    text = json.dumps([lock, model.revision, arguments, environment, key], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
