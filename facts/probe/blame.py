"""From what the loader says to which distribution or which folder is guilty."""

from __future__ import annotations

import os
from typing import List, Optional

from . import cuda
from .binding import Problem
from .findings import DRIFT, FROM_OUTSIDE, RUNTIME, Finding, finding, leave_out
from .installed import EXTENSIONS, Site
from .loader import BY_CACHE, BY_VARIABLE, Failure, Loaded, Process

_DRIVER = ("libcuda.so.1", "libnvidia-ml.so.1")  # the driver's, never in a wheel


def foreign(site: Site, one: Optional[Loaded]) -> bool:
    """Found by the environment, outside the venv."""
    return one is not None and one.how in (BY_VARIABLE, BY_CACHE) and site.inside(one.path) is None


def lacking(site: Site, soname: str, major: Optional[int]) -> Optional[str]:
    """The distribution whose library of that name is not in the venv though it should be."""
    paths = [path for path in site.owner if path.endswith("/" + soname)]
    if any(os.path.exists(site.folder + "/" + path) for path in paths):
        return None
    if paths:
        return site.owner[paths[0]]
    package = cuda.wheel(soname, major)
    return package if package and (package in site.pins or package in site.distributions) else None


def failure(site: Site, error: Failure, level: str, major: Optional[int], more: str = "") -> Finding:
    """NOT-FOUND or BAD-ELF."""
    soname = os.path.basename(error.what)
    message = "%s; %s" % (error, more) if more else str(error)
    if error.kind == "BAD-ELF":
        owner = site.owner_of(error.what) or cuda.wheel(soname, major)
        if site.inside(error.what) is None and error.how in FROM_OUTSIDE:
            package = lacking(site, soname, major)
            fix = leave_out(error.what, error.how)
            return finding("BAD-ELF", level, message, package, error.what, fix, error.how, "environment")
        fix = site.put_back_again(owner) if owner else "restore %s" % error.what
        return finding("BAD-ELF", level, message, owner, site.plain(error.what), fix, error.how)
    by = error.by.path if error.by else error.what
    package = lacking(site, soname, major) or cuda.wheel(soname, major)
    if package is None:
        package = site.owner_of(by) if site.inside(by) else None
    fix = site.put_back(package) if package else "install the system's library %s" % soname
    if package and package in site.damaged:
        fix = site.put_back_again(package)
    return finding("NOT-FOUND", level, message, package, site.plain(by), fix)


def problem(site: Site, found: Problem, level: str) -> Finding:
    """SYMBOL, SYMBOL-VERSION, or BAD-ELF of a damaged table."""
    one, provider = found.consumer, found.provider
    message = found.message + (" (and %d more)" % found.more if found.more else "")
    if provider is not None and foreign(site, provider):
        soname = os.path.basename(provider.path)
        package = lacking(site, soname, None)
        message += "; %s was found by %s" % (provider.path, provider.how)
        fix = leave_out(provider.path, provider.how)
        if package:
            fix += ", and " + site.put_back(package)
        return finding(found.code, level, message, package, provider.path, fix, provider.how, "environment")
    guilty = _guilty(site, one, provider)
    package = site.owner_of(guilty.path)
    if package is None and site.inside(guilty.path):
        package = cuda.wheel(os.path.basename(guilty.path), None)
    fix = site.put_back(package) if package else "restore %s" % guilty.path
    if provider is not None and provider is not one:
        message += "; %s was found by %s" % (provider.path, provider.how)
    return finding(found.code, level, message, package, site.plain(guilty.path), fix, guilty.how)


def _guilty(site: Site, one: Loaded, provider: Optional[Loaded]) -> Loaded:
    """The side whose version is not the asked one; else the provider."""
    if provider is None or site.inside(provider.path) is None:
        return one
    owner = site.owner_of(one.path)
    if owner in EXTENSIONS:
        return one
    other = site.owner_of(provider.path)
    wrong, right = _off(site, owner), not _off(site, other)
    return one if wrong and right else provider


def _off(site: Site, name: Optional[str]) -> bool:
    return name is not None and site.pins.get(name) not in (None, site.version(name))


def mixed(site: Site, process: Process, major: Optional[int]) -> List[Finding]:
    """CUDA libraries from outside, or of another CUDA major, in a process whose others are the wheels'."""
    ones = [one for one in process.objects if cuda.stem(os.path.basename(one.path)) and _base(one) not in _DRIVER]
    inside = [one for one in ones if site.inside(one.path)]
    found: List[Finding] = []
    for one in ones if inside else []:
        below = site.inside(one.path)
        alien = major == 12 and below is not None and below.startswith("nvidia/cu13/")
        if below is None or alien:
            found.append(_mixed(site, one, alien or _alien_target(one, major), major))
    return found


def _base(one: Loaded) -> str:
    return os.path.basename(one.path)


def _alien_target(one: Loaded, major: Optional[int]) -> bool:
    """A library of CUDA 13 under a soname that CUDA 12 uses too, told by what it needs."""
    others = {"libnvJitLink.so.13", "libcublas.so.13", "libcublasLt.so.13", "libcudart.so.13"}
    return major == 12 and bool(others & set(one.elf.needed))


def _mixed(site: Site, one: Loaded, alien: bool, major: Optional[int]) -> Finding:
    level = RUNTIME if alien or cuda.stem(_base(one)) in cuda.SENSITIVE else DRIFT
    message = "%s comes from %s (%s); the other CUDA libraries come from the venv" % (_base(one), one.real, one.how)
    package = lacking(site, _base(one), major)
    environment = one.how in FROM_OUTSIDE
    fix = leave_out(one.path, one.how)
    if package:
        again = site.put_back(package)
        fix = again if one.how != BY_VARIABLE else "%s, and %s" % (fix, again)
    cause = "environment" if environment else "package"
    return finding("MIXED", level, message, package, one.path, fix, one.how, cause)
