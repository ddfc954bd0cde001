"""PATH and LD_LIBRARY_PATH as the user's shells set them, and the lines that set them."""

from __future__ import annotations

import glob
import os
import pwd
import re
from typing import Any, Dict, List

from . import shell

STARTUP_FILES = (".bashrc", ".profile", ".bash_profile", ".bash_login", ".zshrc", ".zprofile")
VARIABLES = ("PATH", "LD_LIBRARY_PATH")
HOOK = "vllm-workstation-cuda.sh"  # our file, where /etc/bash.bashrc reads it


def parse_startup(text: str) -> List[Dict[str, Any]]:
    """Active lines that put a CUDA directory in a variable: `line` (from 1), `text`, `version` (`12.6` or None)."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        body = line.strip()
        if body.startswith("#") or not re.search(r"\b(LD_LIBRARY_PATH|PATH|CUDA_HOME)\s*\+?=", body):
            continue
        match = re.search(r"/cuda(?:-(\d+(?:\.\d+)?))?(?=[/\"':\s]|$)", body)
        if match:
            found.append({"line": number, "text": body, "version": match.group(1)})
    return found


def parse_loader(text: str) -> List[Dict[str, Any]]:
    """Lines of a file for ldconfig that name a CUDA directory of one version, in the same shape."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        match = re.search(r"^\s*/[^#\s]*/cuda-(\d+\.\d+)(?=[/\s]|$)", line)
        if match:
            found.append({"line": number, "text": line.strip(), "version": match.group(1)})
    return found


def library_path(texts: List[str], home: str) -> str:
    """The directories that lines of the user's own put on LD_LIBRARY_PATH, joined by `:`; empty where none does."""
    found: List[str] = []
    for text in texts:
        for value in re.findall(r"^[^#\n]*?\bLD_LIBRARY_PATH\s*=\s*([^;\n#]*)", text, re.M):
            for word in value.strip().strip("\"'").split(":"):
                path = re.sub(r"^(~|\$HOME|\$\{HOME\})(?=/)", lambda _: home, word.strip("\"' "))
                if path.startswith("/") and "$" not in path and path not in found:
                    found.append(path)
    return ":".join(found)


def own_library_path() -> str:
    """What this user's startup files and environment.d add to LD_LIBRARY_PATH; read, never run."""
    home = pwd.getpwuid(os.geteuid()).pw_dir
    paths = [os.path.join(home, name) for name in STARTUP_FILES]
    paths += sorted(glob.glob(glob.escape(home) + "/.config/environment.d/*.conf"))
    return library_path([shell.read(path) or "" for path in paths], home)


def shell_environment(startup: str, home: str) -> Dict[str, List[str]]:
    """Non-empty entries of PATH and LD_LIBRARY_PATH in a fresh shell that read `startup`; {} where it does not answer in 5 s."""
    mark = "__vllm_workstation__"
    script = 'printf \'%s%%s\\n%s%%s\\n\' "$PATH" "$LD_LIBRARY_PATH"' % (mark, mark)
    read = "[ ! -r %s ] || . %s; " % (startup, startup)
    argv = ["bash", "--noprofile", "--norc", "-c", "PS1=x; " + read + script]
    answer = shell.run(argv, timeout=5, env={"HOME": home, "LD_LIBRARY_PATH": ""})
    values = [line[len(mark) :] for line in answer.out.splitlines() if line.startswith(mark)]
    return {name: value.split(":") if value else [] for name, value in zip(VARIABLES, values)}


def observe(query: Dict[str, Any]) -> Dict[str, Any]:
    """Everything of this subject; `login` and `interactive` are what bash sets before the user's own files."""
    home = pwd.getpwuid(os.geteuid()).pw_dir
    lines = []
    named = [os.path.join(home, name) for name in STARTUP_FILES] + ["/etc/bash.bashrc", "/etc/environment"]
    for path in named + sorted(glob.glob(glob.escape(home) + "/.config/environment.d/*.conf")):
        lines += [dict(found, file=path) for found in parse_startup(shell.read(path) or "")]
    for path in ["/etc/ld.so.conf"] + sorted(glob.glob("/etc/ld.so.conf.d/*.conf")):
        lines += [dict(found, file=path) for found in parse_loader(shell.read(path) or "")]
    return {
        "lines": lines,
        "hooks": sum(HOOK in line for line in (shell.read("/etc/bash.bashrc") or "").splitlines()),
        "library_path": own_library_path(),
        # The system's part alone: the user's own files are read above, never run, since they may start things.
        "login": shell_environment("/etc/profile", home),
        "interactive": shell_environment("/etc/bash.bashrc", home),
    }
