"""What glibc's dynamic loader would do: search order, breadth-first loading, one object per soname (man ld.so, elf/dl-load.c)."""

from __future__ import annotations

import os
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple, Union

from . import ldcache, shell
from .elf import Alien, Bad, Elf
from .elfsymbols import Symbols

_DEFAULTS = {
    "x86_64": ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"],
    "aarch64": ["/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"],
}
_MOST_OBJECTS = 2000

# How a path was come by; the words are part of the answers.
BY_VARIABLE, BY_CACHE, BY_DEFAULT = "LD_LIBRARY_PATH", "ld.so.cache", "default directories"


class Failure(Exception):
    """What dlopen would say. `kind` is NOT-FOUND or BAD-ELF, `what` the soname or file, `by` who asked for it."""

    def __init__(self, kind: str, what: str, message: str, by: Optional[Loaded], how: Optional[str] = None) -> None:
        super().__init__(message)
        self.kind, self.what, self.by, self.how = kind, what, by, how


class Loaded:
    """One loaded object: its file, who asked for it first, how it was found, what it needs."""

    def __init__(self, elf: Elf, path: str, by: Optional[Loaded], how: Optional[str]) -> None:
        self.elf, self.path, self.by, self.how = elf, path, by, how
        self.real = os.path.realpath(path)
        self.names: Set[str] = {path}
        self.needs: List[Loaded] = []
        self._symbols: Union[Symbols, Bad, None] = None

    @property
    def symbols(self) -> Symbols:
        """Raises Bad."""
        if self._symbols is None:
            try:
                self._symbols = Symbols(self.elf)
            except Bad as error:
                self._symbols = error
        if isinstance(self._symbols, Bad):
            raise self._symbols
        return self._symbols


class Process:
    """A process that is being loaded. `here` is its current directory: what an empty element of a search path means."""

    def __init__(self, variable: str, here: str, cache: Optional[Dict[str, str]] = None) -> None:
        self.machine = os.uname().machine
        self.levels = ldcache.levels(shell.read("/proc/cpuinfo", 1 << 14) or "")
        self.cache = ldcache.read(self.machine, self.levels) if cache is None else cache
        self.here = here
        self.variable = variable
        self.objects: List[Loaded] = []
        self.files: Dict[Tuple[int, int], Loaded] = {}
        self.everywhere: List[Loaded] = []  # roots whose closures are global: the executable, RTLD_GLOBAL
        self._elves: Dict[str, Union[Elf, Bad, OSError]] = {}

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: Any) -> None:
        for elf in self._elves.values():
            if isinstance(elf, Elf):
                elf.close()

    def loaded(self, name: str) -> Optional[Loaded]:
        """Already there under that name or soname: then nothing is searched."""
        for one in self.objects:
            if name in one.names or ("/" not in name and one.elf.soname == name):
                return one
        return None

    def _elf(self, path: str) -> Union[Elf, Bad, OSError]:
        if path not in self._elves:
            try:
                self._elves[path] = Elf(path)
            except (Bad, OSError) as error:
                self._elves[path] = error
            except ValueError as error:  # a NUL in the name
                self._elves[path] = OSError(str(error))
        return self._elves[path]

    def _expand(self, paths: str, origin: str) -> Iterator[str]:
        for folder in paths.split(":"):
            for token, value in (("ORIGIN", origin), ("LIB", _DEFAULTS.get(self.machine, ["lib"])[0][1:])):
                folder = folder.replace("${%s}" % token, value).replace("$" + token, value)
            yield os.path.join(self.here, folder) if folder else self.here

    def _steps(self, name: str, by: Optional[Loaded]) -> Iterator[Tuple[str, List[str]]]:
        """(how, folders) in the loader's order."""
        first = self.objects[0] if self.objects else None
        if by is None or by.elf.runpath is None:
            chain, one = [], by
            while one is not None:
                chain.append(one)
                one = one.by
            for one in chain + ([first] if first and first not in chain else []):
                if one.elf.rpath:
                    how = "RPATH of %s" % os.path.basename(one.path)
                    yield how, list(self._expand(one.elf.rpath, os.path.dirname(one.path)))
        if self.variable:
            origin = os.path.dirname(first.path) if first else self.here
            yield BY_VARIABLE, list(self._expand(self.variable.replace(";", ":"), origin))
        if by is not None and by.elf.runpath:
            how = "RUNPATH of %s" % os.path.basename(by.path)
            yield how, list(self._expand(by.elf.runpath, os.path.dirname(by.path)))

    def _candidates(self, name: str, by: Optional[Loaded]) -> Iterator[Tuple[str, str]]:
        for how, folders in self._steps(name, by):
            for folder in folders:
                for level in self.levels:
                    yield "%s/glibc-hwcaps/%s/%s" % (folder, level, name), how
                yield folder + "/" + name, how
        if by is not None and by.elf.no_default:
            return
        if name in self.cache:
            yield self.cache[name], BY_CACHE
        for folder in _DEFAULTS.get(self.machine, ["/lib", "/usr/lib"]):
            yield folder + "/" + name, BY_DEFAULT

    def find(self, name: str, by: Optional[Loaded]) -> Tuple[Optional[str], Optional[str]]:
        """(path, how) of the file that a bare name leads to: the first that opens and is of this machine, even a damaged one."""
        for path, how in self._candidates(name, by):
            if not isinstance(self._elf(path), (OSError, Alien)):
                return path, how
        return None, None

    def dlopen(self, what: str, by: Optional[Loaded] = None, how: Optional[str] = None) -> Tuple[Loaded, List[Loaded]]:
        """Load a path or soname with all it needs; (the object, the new ones). Raises Failure, and then nothing is loaded."""
        before = len(self.objects)
        try:
            root = self._take(what, by, how)
            place = before
            while place < len(self.objects):
                one = self.objects[place]
                one.needs = [self._take(name, one, None) for name in one.elf.needed]
                place += 1
            return root, self.objects[before:]
        except Failure:
            for one in self.objects[before:]:
                self.files.pop(one.elf.identity, None)
            del self.objects[before:]
            raise

    def _take(self, what: str, by: Optional[Loaded], how: Optional[str]) -> Loaded:
        """The object that a name means, loaded now where it is not there yet."""
        there = self.loaded(what)
        if there is None:
            path, how = (what, how) if "/" in what else self.find(what, by)
            there = self._open(what, path, by, how)
        there.names.add(what)
        return there

    def _open(self, what: str, path: Optional[str], by: Optional[Loaded], how: Optional[str]) -> Loaded:
        elf = self._elf(path) if path else None
        if path is None or elf is None or isinstance(elf, OSError):
            message = "%s: cannot open shared object file" % what
            raise Failure("NOT-FOUND", what, message + (" (needed by %s)" % by.path if by else ""), by)
        if isinstance(elf, Bad):
            raise Failure("BAD-ELF", path, "%s: %s" % (path, elf), by, how)
        if elf.identity in self.files:
            return self.files[elf.identity]
        if len(self.objects) > _MOST_OBJECTS:
            raise Failure("NOT-FOUND", what, "%s: too many objects" % what, by)
        new = Loaded(elf, path, by, how)
        self.files[elf.identity] = new
        self.objects.append(new)
        return new

    def scope(self, root: Loaded) -> List[Loaded]:
        """Where the symbols of a dlopened object are looked up: global closures, then its own."""
        found: List[Loaded] = []
        for start in self.everywhere + [root]:
            queue = [start]
            for one in queue:
                if one not in found:
                    found.append(one)
                    queue.extend(one.needs)
        return found
