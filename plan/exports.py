"""PATH and LD_LIBRARY_PATH for people who call nvcc. The service never reads them."""

from __future__ import annotations

import hashlib

from plan.evidence import Note
from plan.machine import Machine

PROFILE = "/etc/profile.d/vllm-workstation-cuda.sh"  # login shells
BASHRC = "/etc/bash.bashrc"  # other interactive shells read our file through one line here
HOOK = f"[ ! -r {PROFILE} ] || . {PROFILE}  # vllm-workstation"


def content(version: str) -> str:
    """The profile file for a toolkit: each directory once, in front, whatever the variable held before."""
    home = f"/usr/local/cuda-{version}"
    lines = [
        "# written by vllm-workstation: the CUDA toolkit for people; the server does not use it",
        f'case ":${{PATH:-}}:" in *":{home}/bin:"*) ;; *) PATH="{home}/bin${{PATH:+:$PATH}}" ;; esac',
        f'case ":${{LD_LIBRARY_PATH:-}}:" in *":{home}/lib64:"*) ;; *) LD_LIBRARY_PATH="{home}/lib64${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}" ;; esac',
        "export PATH LD_LIBRARY_PATH",
    ]
    return "\n".join(lines) + "\n"


def profile_right(machine: Machine, version: str) -> bool:
    """Whether the profile file is the one for this toolkit."""
    seen = machine.files.get(PROFILE)
    right = hashlib.sha256(content(version).encode()).hexdigest()
    return seen is not None and seen.kind == "file" and seen.sha256 == right and seen.mode == "644"


def notes(machine: Machine, version: str | None) -> list[Note]:
    """Lines in the user's own startup files that put another CUDA in front."""
    return [
        Note(
            code="OWN-EXPORT",
            message=f"{line.file} line {line.line} puts another CUDA in the shell: {line.text!r}. It is yours, so it stays; "
            "remove it if nvcc is not the one you want.",
        )
        for line in machine.exports.lines
        if line.version and line.version != version  # None: /usr/local/cuda, which is this one
    ]
