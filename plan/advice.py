"""What is worth doing on a machine though nothing is wrong, with its own numbers: WSL's settings, the driver. See plan/advice.toml."""

from __future__ import annotations

import configparser
import math
from collections.abc import Callable, Iterator
from typing import Any

from packaging.version import InvalidVersion, Version

from plan.machine import Machine
from plan.plan import LOOPBACK, Plan
from plan.report import Advice, Words
from plan.settings import Settings
from plan.toml import table

GIB = 1 << 30
Row = tuple[str, dict[str, Any]]
Windows = dict[str, str]  # `section.key` of .wslconfig, lower case


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


def wslconfig(machine: Machine) -> Windows | None:
    """Windows' .wslconfig; None where it was not seen."""
    text = machine.logs.wslconfig if machine.logs else None
    if text is None:
        return None
    parser = configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=True)
    try:
        parser.read_string(text.lstrip("\ufeff"))
    except configparser.Error:
        return {}
    return {
        f"{section}.{key}".lower(): (value or "").strip()
        for section in parser
        for key, value in parser[section].items()
    }


def _memory(machine: Machine, settings: Settings, plan: Plan) -> Iterator[Row]:
    """WSL's memory against what the plan keeps in it."""
    numbers, ram = table("advice")["numbers"], (machine.system.memory.total_mib or 0) / 1024
    fits = [
        one.fitting.fit
        for one in plan.candidates
        if one.fitting and plan.release and one.release.name == plan.release.name
    ]
    pinned = fits[0].pinned_gib if fits else 0.0
    want = max(numbers["least_gib"], math.ceil(pinned + numbers["spare_gib"]))
    if not machine.wsl.version or not ram or ram >= want - 1:
        return
    told = (wslconfig(machine) or {}).get("wsl2.memory")
    how, how_zh = (
        (f"memory={told}", f"memory={told}") if told else ("half of Windows' by default", "預設為 Windows 的一半")
    )
    swap = (machine.system.memory.swap_mib or 0) / 1024
    yield (
        "WSL-MEMORY",
        {
            "ram": ram,
            "swap": swap,
            "pinned": pinned,
            "want": int(want),
            "swap_want": max(8, round(swap)),
            "how": how,
            "how_zh": how_zh,
        },
    )


def _keep(machine: Machine, settings: Settings, plan: Plan) -> Iterator[Row]:
    """Windows ends a distribution that no window shows."""
    if not machine.wsl.version:
        return
    config = wslconfig(machine)
    wanted = ("general.instanceidletimeout", "wsl2.vmidletimeout")
    lacking = [key for key in wanted if not (config or {}).get(key, "").startswith("-")]
    if not lacking:
        return
    names = " and ".join(key.partition(".")[2] for key in lacking)
    now = "No .wslconfig was seen from here." if config is None else f"Not set: {names}."
    now_zh = "從這裡看不到 .wslconfig。" if config is None else f"尚未設定：{names.replace(' and ', '、')}。"
    yield "WSL-KEEP", {"now": now, "now_zh": now_zh}


def _lan(machine: Machine, settings: Settings, plan: Plan) -> Iterator[Row]:
    """Others reach WSL only with mirrored networking."""
    mirrored = (wslconfig(machine) or {}).get("wsl2.networkingmode", "").lower() == "mirrored"
    if machine.wsl.version and settings.host not in LOOPBACK and not mirrored:
        yield "WSL-LAN", {"host": settings.host, "port": settings.port}


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
    """Weights on a Windows disk."""
    if machine.wsl.version and plan.model and plan.model.directory.startswith("/mnt/"):
        yield "WSL-DISK", {"directory": plan.model.directory, "gib": (plan.model.bytes or 0) / GIB}


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
