"""Symbols and symbol versions of an ELF file: what it defines (by its own hash tables) and what it wants."""

from __future__ import annotations

import struct
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from .elf import DT_GNU_HASH, DT_HASH, DT_SYMTAB, DT_VERDEF, DT_VERNEED, DT_VERSYM, Bad, Elf

_ORDER_SIZE = 24  # bytes of a symbol
_MOST_SYMBOLS = 1 << 21
_MOST_VERSIONS = 1 << 14
_LONGEST_CHAIN = 1 << 12  # of a hash bucket; a sound file has less than ten
_GLOBAL, _WEAK, _UNIQUE = 1, 2, 10
_HIDDEN = 0x7FFF  # mask of a version's index; the top bit hides it


class Want(NamedTuple):
    """An undefined symbol: its version and the soname that shall have it, where it names them."""

    name: bytes
    version: Optional[str]
    soname: Optional[str]


def gnu_hash(name: bytes) -> int:
    found = 5381
    for byte in name:
        found = (found * 33 + byte) & 0xFFFFFFFF
    return found


def sysv_hash(name: bytes) -> int:
    found = 0
    for byte in name:
        found = (found << 4) + byte
        top = found & 0xF0000000
        found = (found ^ top >> 24) & ~top & 0xFFFFFFFF
    return found


class Symbols:
    """Look-ups in one file. Methods raise Bad where its tables are damaged."""

    def __init__(self, elf: Elf) -> None:
        self.elf = elf
        tags = elf.tags
        self.table = elf.offset(tags[DT_SYMTAB]) if DT_SYMTAB in tags else -1
        self.versym = elf.offset(tags[DT_VERSYM]) if DT_VERSYM in tags else -1
        self.needs = self._needs() if DT_VERNEED in tags else []
        self.definitions = self._definitions() if DT_VERDEF in tags else {}
        self.has_gnu, self.has_sysv = DT_GNU_HASH in tags, DT_HASH in tags
        if self.has_gnu:
            self.gnu = elf.offset(tags[DT_GNU_HASH])
            self.gnu_head = elf.unpack("IIII", self.gnu)
        if self.has_sysv:
            self.sysv = elf.offset(tags[DT_HASH])
            self.sysv_head = elf.unpack("II", self.sysv)

    def _needs(self) -> List[Tuple[str, List[Tuple[str, int, bool]]]]:
        """[(soname, [(version, index, weak)])] of DT_VERNEED."""
        found: List[Tuple[str, List[Tuple[str, int, bool]]]] = []
        at, steps, following = self.elf.offset(self.elf.tags[DT_VERNEED]), 0, 1
        while following:
            _, count, file, auxiliary, following = self.elf.unpack("HHIII", at)
            versions, place = [], at + auxiliary
            for _ in range(count):
                _, flags, index, name, step = self.elf.unpack("IHHII", place)
                versions.append((self.elf.string(name), index & _HIDDEN, bool(flags & 2)))
                place += step
                steps += 1
                if steps > _MOST_VERSIONS:
                    raise Bad("has a damaged version table")
            found.append((self.elf.string(file), versions))
            at, steps = at + following, steps + 1
        return found

    def _definitions(self) -> Dict[int, str]:
        """{index: version} of DT_VERDEF."""
        found: Dict[int, str] = {}
        at, following = self.elf.offset(self.elf.tags[DT_VERDEF]), 1
        while following:
            _, _, index, _, _, auxiliary, following = self.elf.unpack("HHHHIII", at)
            found[index & _HIDDEN] = self.elf.string(self.elf.unpack("II", at + auxiliary)[0])
            at += following
            if len(found) > _MOST_VERSIONS:
                raise Bad("has a damaged version table")
        return found

    def _undefined_count(self) -> int:
        """All undefined symbols come before the first that DT_GNU_HASH holds; DT_HASH only tells how many there are."""
        count = self.gnu_head[1] if self.has_gnu else self.sysv_head[1] if self.has_sysv else 0
        if count > _MOST_SYMBOLS:
            raise Bad("has a damaged hash table")
        return count if self.table >= 0 else 0

    def wants(self, choose: Callable[[Optional[str], bytes], bool]) -> Iterator[Want]:
        """Undefined symbols that are not weak and that `choose(soname or None, first bytes of the name)` takes."""
        count = self._undefined_count()
        raw = self.elf.at(self.table, count * _ORDER_SIZE) if count else b""
        order = self.elf.unpack("%dH" % count, self.versym) if self.versym >= 0 and count else (0,) * count
        asked = {index: (name, file) for file, versions in self.needs for name, index, _ in versions}
        taken: Set[int] = {index for index, (_, file) in asked.items() if choose(file, b"")}
        for place, (name, info, _, section, _, _) in enumerate(struct.iter_unpack("=IBBHQQ", raw)):
            index = order[place] & _HIDDEN
            if section or not name or info >> 4 != _GLOBAL or (index > 1 and index not in taken):
                continue
            text = self.elf.text(self.elf.strings + name)
            version, file = asked.get(index, (None, None))
            if file is not None or choose(None, text):
                yield Want(text, version, file)

    def defines(self, name: bytes, version: Optional[str] = None) -> bool:
        """Is there such a symbol, in that version where both sides know versions."""
        if self.table < 0:
            return False
        places = self._gnu_places(name) if self.has_gnu else self._sysv_places(name) if self.has_sysv else iter(())
        return any(self._matches(place, name, version) for place in places)

    def _gnu_places(self, name: bytes) -> Iterator[int]:
        buckets, first, words, shift = self.gnu_head
        if not buckets or not words:
            return
        key, at = gnu_hash(name), self.gnu + 16
        word = self.elf.unpack("Q", at + 8 * (key // 64 % words))[0]
        if not (word >> key % 64) & (word >> (key >> shift % 32) % 64) & 1:
            return
        at += 8 * words
        place, at = self.elf.unpack("I", at + 4 * (key % buckets))[0], at + 4 * buckets
        for _ in range(_LONGEST_CHAIN):
            if place < first:
                return
            value = self.elf.unpack("I", at + 4 * (place - first))[0]
            if value | 1 == key | 1:
                yield place
            if value & 1:
                return
            place += 1
        raise Bad("has a damaged hash table")

    def _sysv_places(self, name: bytes) -> Iterator[int]:
        buckets = self.sysv_head[0]
        if not buckets:
            return
        at = self.sysv + 8
        place = self.elf.unpack("I", at + 4 * (sysv_hash(name) % buckets))[0]
        for _ in range(_LONGEST_CHAIN):
            if not place:
                return
            yield place
            place = self.elf.unpack("I", at + 4 * (buckets + place))[0]
        raise Bad("has a damaged hash table")

    def _matches(self, place: int, name: bytes, version: Optional[str]) -> bool:
        start, info, _, section = self.elf.unpack("IBBH", self.table + _ORDER_SIZE * place)
        if not section or info >> 4 not in (_GLOBAL, _WEAK, _UNIQUE):
            return False
        where = self.elf.strings + start
        if where + len(name) >= self.elf.size or self.elf.at(where, len(name) + 1) != name + b"\0":
            return False
        if version is None or not self.definitions or self.versym < 0:
            return True
        return self.definitions.get(self.elf.unpack("H", self.versym + 2 * place)[0] & _HIDDEN) == version
