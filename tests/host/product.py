"""Run the real `pyinfra` command line against lab hosts, as an admin would, and read what it said."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.host.lab import Gpu, Host, Lab

PROJECT = Path(__file__).parents[2]
PYINFRA = Path(sys.executable).parent / "pyinfra"
BIG = Gpu("NVIDIA GeForce RTX 5090", 32607, 30800, "580.88", "12.0")


@dataclass(frozen=True)
class Run:
    """How a run ended: exit code, what people read, and pyinfra's own JSON where it was asked for."""

    code: int
    text: str
    json: dict[str, Any]

    @property
    def changes(self) -> int:
        """Operations that changed something, over all hosts."""
        return int(self.json["results"]["totals"]["success"])


def site(lab: Lab) -> dict[str, Any]:
    """The lab's settings for a mirror of NVIDIA's repositories with a key of its own, and another model revision."""
    return {
        "cuda_key_fingerprint": lab.cuda_key_fingerprint,
        "model_revision": lab.hf_revision,
        "find_links": "",
        "hf_endpoint": "https://huggingface.co",
    }


def inventory(lab: Lab, folder: Path, hosts: list[Host], user: str, **settings: Any) -> Path:
    """Write an inventory of these hosts."""
    rows = [(host.name, {**lab.inventory_data(host, user), **site(lab), **settings}) for host in hosts]
    path = folder / "inventory.py"
    path.write_text(f"lab = {rows!r}\n")
    return path


def run(lab: Lab, where: Path | str, deploy: str = "deploy/full.py", *options: str, timeout: int = 900) -> Run:
    """`pyinfra WHERE deploy/full.py` on the controller, in the lab's network."""
    argv = [str(PYINFRA), *options, str(where), deploy]
    done = lab.run(argv, cwd=PROJECT, timeout=timeout, check=False)
    found: dict[str, Any] = json.loads(done.stdout) if done.stdout.startswith("{") and "--json" in options else {}
    return Run(done.returncode, done.stdout + done.stderr, found)


def chat(host: Host, user: str = "ops", port: int = 8000) -> dict[str, Any]:
    """A chat from inside the host with its own key, as a user would with curl."""
    body = json.dumps(
        {"model": "openai/gpt-oss-20b", "messages": [{"role": "user", "content": "What is the capital of France?"}]}
    )
    root = "~/.local/share/vllm-workstation"
    command = (
        f"curl -sf -m 60 http://127.0.0.1:{port}/v1/chat/completions -H 'Content-Type: application/json' "
        f"-H \"Authorization: Bearer $(cat {root}/service/api-key)\" -d '{body}'"
    )
    answer: dict[str, Any] = json.loads(host.ssh(command, user=user).stdout)
    return answer
