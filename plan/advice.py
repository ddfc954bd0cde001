"""What is worth doing on a machine though nothing is wrong, with its own numbers: WSL's settings, the driver. See plan/advice.toml."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from packaging.version import InvalidVersion, Version

from plan import windows
from plan.machine import Machine, Weights
from plan.plan import Plan
from plan.report import Advice, Words
from plan.settings import Settings
from plan.toml import table

GIB = 1 << 30
Row = tuple[str, dict[str, Any]]


def advice(machine: Machine, settings: Settings, plan: Plan) -> list[Advice]:
    """All that applies here."""
    rows = {row["code"]: row for row in table("advice")["advice"]}
    looks: list[Callable[[Machine, Settings, Plan], Iterator[Row]]] = [
        _memory,
        _keep,
        _lan,
        _update,
        _disk,
        _driver,
        _exports,
    ]
    found = [row for look in looks for row in look(machine, settings, plan)]
    return [
        Advice(code=code, text=Words(en=rows[code]["en"].format(**values), zh=rows[code]["zh"].format(**values)))
        for code, values in found
    ]


def _part(key: str, name: str, **values: Any) -> dict[str, str]:
    """A part of a text in both languages, as values `key` and `key_zh` of the whole."""
    row = table("advice")["part"][name]
    return {key: row["en"].format(**values), f"{key}_zh": row["zh"].format(**values)}


def _pinned(plan: Plan) -> float:
    """GiB of the model that the plan keeps in host memory."""
    chosen = [one.fitting for one in plan.candidates if plan.release and one.release.name == plan.release.name]
    return next((one.fit.pinned_gib for one in chosen if one), 0.0)


def _memory(machine: Machine, settings: Settings, plan: Plan) -> Iterator[Row]:
    """WSL's memory against what the plan keeps in it: nothing is told where that is nothing."""
    ram, pinned, config = (machine.system.memory.total_mib or 0) / 1024, _pinned(plan), windows.seen(machine)
    numbers, told = table("advice")["numbers"], (config or {}).get("wsl2.memory")
    need = math.ceil(pinned + numbers["spare_gib"])
    enough = need if told else max(need, int(numbers["least_gib"]))
    if not machine.wsl.version or not ram or not pinned or ram >= enough - 1:
        return
    most = enough if told else math.floor(2 * ram - numbers["windows_gib"])
    swap = (machine.system.memory.swap_mib or 0) / 1024
    values: dict[str, Any] = {"ram": ram, "swap": swap, "pinned": pinned, "small": "", "small_zh": ""}
    values |= _how(config, told) | _write(ram, min(enough, most), max(8, round(swap)), config is not None and not told)
    yield "WSL-MEMORY", values | (_part("small", "small", need=need) if most < need else {})


def _how(config: windows.Config | None, told: str | None) -> dict[str, str]:
    """Whence WSL has its memory: half of Windows', unless memory= says another number."""
    return _part("how", "told" if told else "half_maybe" if config is None else "half", told=told)


def _write(ram: float, want: int, swap: int, known: bool) -> dict[str, str]:
    """What to write, GiB; no memory= where WSL gains none by it. `known`: Windows' own memory is, as memory= is not set."""
    name = "swap_only" if want < ram + 1 else "write" if known else "write_at_most"
    return _part("write", name, want=want, windows=table("advice")["numbers"]["windows_gib"], swap_want=swap)


def _keep(machine: Machine, settings: Settings, plan: Plan) -> Iterator[Row]:
    """Windows ends a distribution that no window shows."""
    config = windows.seen(machine)
    wanted = {"general.instanceidletimeout": "instanceIdleTimeout", "wsl2.vmidletimeout": "vmIdleTimeout"}
    lacking = [name for key, name in wanted.items() if not (config or {}).get(key, "").startswith("-")]
    if machine.wsl.version and lacking:
        names = {"names": " and ".join(lacking), "names_zh": "、".join(lacking)}
        yield "WSL-KEEP", _part("now", "unseen" if config is None else "lacking", **names)


def _lan(machine: Machine, settings: Settings, plan: Plan) -> Iterator[Row]:
    """Others reach WSL only with mirrored networking, and through a firewall that cannot be seen from inside."""
    if machine.wsl.version and not settings.near:
        code = "WSL-FIREWALL" if windows.mirrored(machine) else "WSL-LAN"
        rule = table("advice")["commands"]["firewall"].format(port=settings.port)
        yield code, {"host": settings.host, "rule": rule}


def _update(machine: Machine, settings: Settings, plan: Plan) -> Iterator[Row]:
    """An old kernel of WSL."""
    least = table("advice")["numbers"]["kernel"]
    try:
        old = bool(machine.wsl.version) and Version(machine.wsl.kernel or least) < Version(least)
    except InvalidVersion:  # a kernel that the user built and named
        return
    if old:
        yield "WSL-UPDATE", {"kernel": machine.wsl.kernel, "least": least}


def _disk(machine: Machine, settings: Settings, plan: Plan) -> Iterator[Row]:
    """Weights on a Windows disk. What a directory of the user's own takes is known where its files were seen."""
    if plan.model and windows.holds(machine, plan.model.directory):
        there = machine.weights.get(plan.model.directory) or Weights()
        gib = (plan.model.bytes or sum(file.size for file in there.files.values())) / GIB
        size = _part("size", "size" if gib >= 0.05 else "size_unknown", gib=gib)
        yield "WSL-DISK", {"directory": plan.model.directory} | size


def _driver(machine: Machine, settings: Settings, plan: Plan) -> Iterator[Row]:
    """Releases that only the driver shuts out."""
    shut = [line for line in plan.passed if "needs driver" in line]
    driver = next((gpu.driver for gpu in machine.gpu.devices if gpu.driver), None)
    if shut and driver:
        side = (" on the Windows side", " Windows 端的 ") if machine.wsl.version else ("", " ")
        yield "DRIVER", {"driver": driver, "passed": shut[0].partition(",")[0], "side": side[0], "side_zh": side[1]}


def _exports(machine: Machine, settings: Settings, plan: Plan) -> Iterator[Row]:
    """Lines of the user's own that put another CUDA into the shell."""
    notes = [note.message for note in plan.notes if note.code == "OWN-EXPORT"]
    lines = [line for line in machine.exports.lines if line.version and line.version != plan.toolkit_version]
    for message, line in zip(notes, lines, strict=False):
        yield "OWN-EXPORT", {"message": message, "file": line.file, "line": line.line}
