"""The service's files: unit or supervisord program, environment and start plan."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import jinja2
from pydantic import BaseModel, ConfigDict

from plan import stages
from plan.machine import Machine
from plan.model import Model
from plan.serve import Serve
from plan.settings import Settings

UNIT = "vllm-workstation.service"
UNIT_FILE = f".config/systemd/user/{UNIT}"
WANTS_LINK = f".config/systemd/user/default.target.wants/{UNIT}"
TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=True,
)
# Asked after every start; the answers must hold the word. Any other model must only answer something.
QUESTIONS = [
    ["What is the capital of France? Answer in one short sentence.", "paris"],
    ["What is the capital of Italy? Answer in one short sentence.", "rome"],
]


class Text(BaseModel):
    """A file with known content. `mode` is octal text."""

    model_config = ConfigDict(frozen=True)
    path: str
    content: str
    mode: str = "644"

    @property
    def sha256(self) -> str:
        """Digest of the content."""
        return hashlib.sha256(self.content.encode()).hexdigest()


def files(machine: Machine, settings: Settings, supervisor: str, model: Model, serve: Serve) -> list[Text]:
    """Everything under the user's home that makes the service."""
    root, home = machine.releases.root, machine.system.user.home
    found = [
        Text(path=f"{root}/service/environment", content=_environment(serve), mode="600"),
        Text(path=f"{root}/service/plan.json", content=_start_plan(settings, model, serve), mode="600"),
    ]
    context = {"root": root, "unit": UNIT, "served": model.served, "start_timeout": settings.start_timeout + 60}
    if supervisor == "supervisord":
        found.append(
            Text(
                path=f"{root}/service/supervisord.conf",
                content=TEMPLATES.get_template("supervisord.conf.j2").render(context),
            )
        )
    else:
        found.append(Text(path=f"{home}/{UNIT_FILE}", content=TEMPLATES.get_template(f"{UNIT}.j2").render(context)))
    return found


def _environment(serve: Serve) -> str:
    lines = [f"{key}={value}" for key, value in sorted(serve.environment.items())]
    return (
        "\n".join(
            ["# written by vllm-workstation; deploy/full.py rewrites it", *lines, f"VLLM_WORKSTATION_SPEC={serve.spec}"]
        )
        + "\n"
    )


def _start_plan(settings: Settings, model: Model, serve: Serve) -> str:
    known = model.is_gpt_oss or model.kind == "packaged"
    plan = {
        "arguments": serve.arguments,
        "port": settings.port,
        "host": settings.host,
        "key": settings.require_api_key,
        "model": serve.arguments[serve.arguments.index("--served-model-name") + 1],
        "questions": QUESTIONS if known else [[question, ""] for question, _ in QUESTIONS],
        "low_effort": model.is_gpt_oss,
        "timeout": settings.start_timeout,
        "spec": serve.spec,
        "card": serve.card,
        "stages": stages.patterns() if serve.card else None,
    }
    return json.dumps(plan, indent=1, sort_keys=True) + "\n"


def started(settings: Settings, serve: Serve, wanted: list[Text]) -> str:
    """What a start from these files and this release calls itself (the same as tasks/remote/serve.py's)."""
    environment = next((text.sha256 for text in wanted if text.path.endswith("/service/environment")), "")
    unit = next((text.sha256 for text in wanted if text.path.endswith("/" + UNIT)), "")
    text = json.dumps([serve.arguments, settings.require_api_key, environment, unit, ""])  # "": of a sound release
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def stale(machine: Machine, wanted: list[Text]) -> list[Text]:
    """Files that are missing or not as wanted."""
    return [text for text in wanted if not _same(machine, text)]


def _same(machine: Machine, text: Text) -> bool:
    seen = machine.files.get(text.path)
    return seen is not None and seen.kind == "file" and seen.sha256 == text.sha256 and seen.mode == text.mode
