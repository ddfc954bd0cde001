"""/etc/ld.so.cache in the format of glibc 2.2 and later (sysdeps/generic/dl-cache.h); what ldconfig(8) last wrote."""

from __future__ import annotations

import os
import struct
from typing import Dict, List, Tuple

from . import shell

PATH = "/etc/ld.so.cache"
_MAGIC = b"glibc-ld.so.cache1.1"
_LIMIT = 64 << 20  # bytes
_HEADER, _ENTRY = 48, 24  # bytes
_FLAGS = {"x86_64": 0x0303, "aarch64": 0x0A03}  # FLAG_ELF_LIBC6 and the machine's own
_EXTENSION_MAGIC = 0xEAA42174
_HWCAP_SUBFOLDER = 1 << 62  # the entry lies under glibc-hwcaps/; the low half counts into the extension's names


def parse(data: bytes, machine: str, levels: Tuple[str, ...] = ()) -> Dict[str, str]:
    """`{soname: path}` as this machine's loader picks; `levels` are its glibc-hwcaps folders, best first."""
    found: Dict[str, Tuple[int, str]] = {}
    try:
        start = data.index(_MAGIC)
        count, _ = struct.unpack_from("=II", data, start + 20)
        names = _hwcap_names(data, start)
        entries = data[start + _HEADER : start + _HEADER + count * _ENTRY]
        for flags, key, value, _, hwcap in struct.iter_unpack("=IIIIQ", entries[: len(entries) // _ENTRY * _ENTRY]):
            if flags != _FLAGS.get(machine, flags):
                continue
            rank = _rank(hwcap, names, levels)
            soname = _text(data, start + key)
            if rank is not None and (soname not in found or rank < found[soname][0]):
                found[soname] = (rank, _text(data, start + value))
    except (ValueError, struct.error):  # no cache of this format, or a cut one
        pass
    return {soname: path for soname, (_, path) in found.items()}


def _rank(hwcap: int, names: List[str], levels: Tuple[str, ...]) -> "int | None":
    """The lower the better; None where this processor cannot use it. Legacy hwcap folders are gone since glibc 2.37."""
    if not hwcap:
        return len(levels)
    place = hwcap & 0xFFFFFFFF
    if not hwcap & _HWCAP_SUBFOLDER or place >= len(names) or names[place] not in levels:
        return None
    return levels.index(names[place])


def _hwcap_names(data: bytes, start: int) -> List[str]:
    """Names of the glibc-hwcaps folders, from the cache's extension (tag 1)."""
    where = struct.unpack_from("=I", data, start + 32)[0]
    if not where:
        return []
    magic, count = struct.unpack_from("=II", data, start + where)
    if magic != _EXTENSION_MAGIC:
        return []
    for place in range(min(count, 16)):
        tag, _, offset, size = struct.unpack_from("=IIII", data, start + where + 8 + 16 * place)
        if tag == 1:
            return [
                _text(data, start + at[0]) for at in struct.iter_unpack("=I", data[start + offset :][: size // 4 * 4])
            ]
    return []


def _text(data: bytes, at: int) -> str:
    return os.fsdecode(data[at : data.index(b"\0", at)])


def read(machine: str, levels: Tuple[str, ...]) -> Dict[str, str]:
    """Empty where there is none."""
    return parse(shell.read_bytes(PATH, _LIMIT) or b"", machine, levels)


# What each level asks of /proc/cpuinfo (x86-64 psABI, table 3.1; `abm` is the kernel's name of LZCNT, `pni` of SSE3).
_LEVELS = (
    ("x86-64-v4", "avx512f avx512bw avx512cd avx512dq avx512vl"),
    ("x86-64-v3", "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"),
    ("x86-64-v2", "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"),
)


def levels(cpuinfo: str) -> Tuple[str, ...]:
    """glibc-hwcaps folders that a processor uses, best first."""
    line = next((line for line in cpuinfo.splitlines() if line.startswith("flags")), "")
    flags, found = set(line.split()), []  # type: Tuple[set[str], List[str]]
    for level, wanted in reversed(_LEVELS):
        if not set(wanted.split()) <= flags:
            break
        found.insert(0, level)
    return tuple(found)
