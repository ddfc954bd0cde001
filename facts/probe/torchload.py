"""What `import torch` and the first uses after it load, in order, and what goes wrong there."""

from __future__ import annotations

import glob
import os
import re
from typing import Dict, List, Optional, Sequence

from . import binding, blame, cudnn, preloads, shell
from .findings import IMPORT, RUNTIME, Finding, finding
from .installed import Site
from .loader import Failure, Loaded, Process

# Opened at the first use: {distribution: files below site-packages}, all of whose symbols are looked up.
LATER = {
    "torchvision": ("torchvision/_C.so", "torchvision/_C.abi3.so"),
    "torchaudio": ("torchaudio/lib/libtorchaudio*.so", "torchaudio/lib/_torchaudio*.so", "torchaudio/_torchaudio*.so"),
}
_OPTIONAL = re.compile(r"_sox")  # needs libsox, which is opened only if it is there
_LIMIT = 1 << 20  # bytes of torch/__init__.py


class Load:
    """One simulated process of the venv's interpreter."""

    def __init__(self, site: Site, process: Process) -> None:
        self.site, self.process = site, process
        self.torch = site.folder + "/torch"
        self.found: List[Finding] = []
        self.cuda_major = self._cuda_major()

    def _cuda_major(self) -> Optional[int]:
        match = re.search(r"^cuda\b.*?=\s*['\"](\d+)", shell.read(self.torch + "/version.py") or "", re.M)
        return int(match.group(1)) if match else None

    def run(self, earlier: Sequence[str]) -> None:
        """`earlier` are sonames or paths that something loads before torch."""
        if not self._interpreter() or not os.path.isdir(self.torch + "/lib"):
            return
        for name in earlier:
            self._try(name)
        if not self._import():
            return
        mixed = blame.mixed(self.site, self.process, self.cuda_major)
        self._later(self.torch + "/lib/libtorch_cuda_linalg.so")
        self.found += mixed + cudnn.check(self.site, self.process)
        for name, patterns in LATER.items():
            if name in self.site.distributions:
                for pattern in patterns:
                    for path in sorted(glob.glob(glob.escape(self.site.folder) + "/" + pattern)):
                        if not _OPTIONAL.search(os.path.basename(path)):
                            self._later(path)

    def _interpreter(self) -> bool:
        """False ends the simulation: there is none, or what stands there is no ELF (a script may start anything)."""
        link = self.site.venv + "/bin/python"
        path = os.path.realpath(link)
        head = shell.read_bytes(path, 2)
        if head == b"#!":
            return False
        try:
            root, _ = self.process.dlopen(path)
        except Failure as failure:
            fix = "make the venv again with a Python that is there"
            message = "the interpreter %s cannot start: %s" % (link, failure)
            self.found.append(finding("NO-PYTHON", IMPORT, message, None, link, fix, failure.how))
            return False
        self.process.everywhere.append(root)
        return True

    def _import(self) -> bool:
        if not self._global_dependencies():
            return False
        modules = sorted(
            glob.glob(glob.escape(self.torch) + "/_C.*.so") or glob.glob(glob.escape(self.torch) + "/_C.so")
        )
        modules = [path for path in modules if self._ours(path)]
        if not modules:
            return True
        self._open(modules[0], IMPORT)
        return not any(one["level"] == IMPORT for one in self.found)

    def _ours(self, path: str) -> bool:
        """For this Python: `_C.cpython-311-x86_64-linux-gnu.so`."""
        tag = re.search(r"\.cpython-(\d+)", path)
        return tag is None or tag.group(1) == "".join(self.site.python.split(".")[:2])

    def _global_dependencies(self) -> bool:
        path = self.torch + "/lib/libtorch_global_deps.so"
        source = shell.read(self.torch + "/__init__.py", _LIMIT) or ""
        plan = preloads.parse(source)
        if not os.path.lexists(path) and "libtorch_global_deps" not in source:
            return True  # a build without
        failure = self._try(path, everywhere=True)
        if failure is None:
            if plan.condition is None or any(plan.condition in one.real for one in self.process.objects):
                self._preload(plan.then)
            return True
        names = [one.pattern.split(".")[0] for one in plan.instead]
        if not any(name in str(failure) for name in names):
            self.found.append(blame.failure(self.site, failure, IMPORT, self.cuda_major))
            return False
        missing = self._preload(plan.instead)
        second = None if missing else self._try(path, everywhere=True)
        if missing or second:
            self.found.append(blame.failure(self.site, second or failure, IMPORT, self.cuda_major, missing))
            return False
        return True

    def _preload(self, wanted: List[preloads.Preload]) -> str:
        """Open each; stops at the first that is not there, as torch does. Says which that was."""
        for one in wanted:
            places = ["nvidia/" + one.folder, "nvidia/cu%s" % self.cuda_major, one.folder]
            paths = [
                p
                for place in places
                for p in glob.glob("%s/%s/lib/%s" % (glob.escape(self.site.folder), place, one.pattern))
            ]
            if not paths and one.required:
                return "ValueError: %s not found in the system path" % one.pattern
            if paths and self._try(paths[0]):
                return "%s cannot be loaded" % paths[0]
        return ""

    def _try(self, what: str, everywhere: bool = False) -> Optional[Failure]:
        """Load and look at its symbols; a failure is returned, undefined symbols are findings."""
        try:
            root, new = self.process.dlopen(what)
        except Failure as failure:
            return failure
        if everywhere:
            self.process.everywhere.append(root)
        self._bind(root, new, IMPORT)
        return None

    def _open(self, path: str, level: str) -> None:
        try:
            root, new = self.process.dlopen(path)
        except Failure as failure:
            self.found.append(blame.failure(self.site, failure, level, self.cuda_major))
            return
        self._bind(root, new, level)

    def _later(self, path: str) -> None:
        if os.path.lexists(path):
            self._open(path, RUNTIME)

    def _bind(self, root: Loaded, new: List[Loaded], level: str) -> None:
        for problem in binding.check(self.process, root, new, self._whole):
            self._add(blame.problem(self.site, problem, level))

    def _add(self, new: Finding) -> None:
        """One finding of a code, a file and a level: an old libstdc++ misses the same version for everybody."""
        for one in self.found:
            if all(one[key] == new[key] for key in ("code", "path", "package", "level")):
                return
        self.found.append(new)

    def _whole(self, one: Loaded) -> bool:
        """Objects of the distributions that are built for one torch."""
        return self.site.owner_of(one.path) in LATER or (self.site.inside(one.path) or "").split("/")[0] in LATER


def resolved(process: Process) -> Dict[str, str]:
    """`{soname: file}` of everything loaded that is not the interpreter's own."""
    found: Dict[str, str] = {}
    for one in process.objects:
        found.setdefault(one.elf.soname or os.path.basename(one.path), one.real)
    return found
