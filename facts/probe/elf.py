"""An ELF64 file as the dynamic loader sees it: segments and the dynamic section (gABI, and the GNU extensions of glibc's elf.h).

Read by pread, never mapped: a file that somebody cuts while it is read gives `Bad`, not SIGBUS.
"""

from __future__ import annotations

import os
import struct
import sys
from typing import Dict, List, Optional, Tuple

PT_LOAD, PT_DYNAMIC = 1, 2
DT_NEEDED, DT_HASH, DT_STRTAB, DT_SYMTAB, DT_SONAME, DT_RPATH, DT_RUNPATH = 1, 4, 5, 6, 14, 15, 29
DT_GNU_HASH, DT_VERSYM, DT_FLAGS_1, DT_VERDEF, DT_VERNEED = 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFFB, 0x6FFFFFFC, 0x6FFFFFFE
DF_1_NODEFLIB = 0x800
MACHINES = {"x86_64": 62, "aarch64": 183}
_DYNAMIC_LIMIT = 1 << 20  # bytes of a dynamic section, or of one string
_ORDER = "<" if sys.byteorder == "little" else ">"


class Bad(Exception):
    """The loader would refuse this file, or die of it."""


class Alien(Bad):
    """Of another class or machine: the loader goes on searching."""


class Elf:
    """An open file; raises Bad, Alien, or OSError where it cannot be opened."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            info = os.fstat(self.fd)
            self.size, self.identity = info.st_size, (info.st_dev, info.st_ino)
            self.loads: List[Tuple[int, int, int]] = []  # (address, offset, bytes in the file)
            self._dynamic(self._headers())
        except struct.error as error:
            self.close()
            raise Bad("cut short (%s)" % error) from None
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def at(self, offset: int, size: int) -> bytes:
        """Bytes of the file; Bad where it ends before."""
        if offset < 0 or size < 0 or offset + size > self.size:
            raise Bad("points past its end (%d bytes)" % self.size)
        try:
            data = os.pread(self.fd, size, offset)
        except OSError as error:
            raise Bad("cannot be read (%s)" % error.strerror) from None
        if len(data) != size:
            raise Bad("shrank while it was read")
        return data

    def unpack(self, form: str, offset: int) -> Tuple[int, ...]:
        return struct.unpack(_ORDER + form, self.at(offset, struct.calcsize(_ORDER + form)))

    def text(self, offset: int) -> bytes:
        """The string that ends in NUL."""
        size = 128
        while True:
            data = self.at(offset, min(size, self.size - offset))
            end = data.find(b"\0")
            if end >= 0:
                return data[:end]
            if offset + size >= self.size or size > _DYNAMIC_LIMIT:
                raise Bad("has a string without an end")
            size *= 8

    def offset(self, address: int) -> int:
        """Where in the file an address lies."""
        for start, offset, size in self.loads:
            if start <= address < start + size:
                return address - start + offset
        raise Bad("points outside its segments")

    def _headers(self) -> Optional[Tuple[int, int]]:
        """Check what the loader checks; where the dynamic section lies."""
        if self.size < 64:
            raise Bad("file too short (%d bytes)" % self.size)
        head = self.at(0, 64)
        if head[:4] != b"\x7fELF":
            raise Bad("invalid ELF header")
        machine = struct.unpack_from(_ORDER + "H", head, 18)[0]
        if (
            head[4] != 2
            or head[5] != (1 if _ORDER == "<" else 2)
            or machine != MACHINES.get(os.uname().machine, machine)
        ):
            raise Alien("wrong ELF class or machine")
        start, width, count = (
            struct.unpack_from(_ORDER + "Q", head, 32)[0],
            *struct.unpack_from(_ORDER + "HH", head, 54),
        )
        if width != 56:
            raise Bad("ELF file's phentsize not the expected size")
        dynamic = None
        for index in range(count):
            kind, _, offset, address, _, size, _, _ = self.unpack("IIQQQQQQ", start + index * width)
            if kind == PT_LOAD:
                self._loadable(address, offset, size)
            elif kind == PT_DYNAMIC:
                dynamic = (offset, size)
        return dynamic

    def _loadable(self, address: int, offset: int, size: int) -> None:
        """A segment past the end of the file is mapped all the same; the first touch of it is SIGBUS."""
        if offset + size > self.size:
            raise Bad("cut short: a segment ends at byte %d, the file at %d" % (offset + size, self.size))
        self.loads.append((address, offset, size))

    def _dynamic(self, where: Optional[Tuple[int, int]]) -> None:
        self.tags: Dict[int, int] = {}
        needed = []
        data = self.at(where[0], min(where[1], _DYNAMIC_LIMIT)) if where else b""
        for tag, value in struct.iter_unpack(_ORDER + "qQ", data[: len(data) // 16 * 16]):
            if tag == 0:
                break
            if tag == DT_NEEDED:
                needed.append(value)
            else:
                self.tags[tag] = value
        self.strings = self.offset(self.tags[DT_STRTAB]) if DT_STRTAB in self.tags else 0
        self.needed = [self.string(value) for value in needed]
        self.soname = self._tag(DT_SONAME)
        self.runpath = self._tag(DT_RUNPATH)
        self.rpath = None if self.runpath is not None else self._tag(DT_RPATH)  # DT_RUNPATH switches DT_RPATH off
        self.no_default = bool(self.tags.get(DT_FLAGS_1, 0) & DF_1_NODEFLIB)

    def _tag(self, tag: int) -> Optional[str]:
        return self.string(self.tags[tag]) if tag in self.tags else None

    def string(self, index: int) -> str:
        """A string of the dynamic string table."""
        return os.fsdecode(self.text(self.strings + index))
