"""A log in, causes out, the root first: vLLM's, pip's, uv's, apt's, systemd's, WSL's. Pure; what is known is in fault_table.py's tables."""

from __future__ import annotations

import bisect
import re
from collections.abc import Container, Iterable, Iterator
from functools import cached_property

from pydantic import BaseModel, ConfigDict

from plan import stages
from plan.fault_table import Row, expression, rows, words

HEAD, TAIL, WIDTH = 50_000, 150_000, 2000  # characters kept of a longer log, and of a line
NEAR = 12  # lines around one that are looked at with it
CLOSE = 6  # lines between marks of one start
EARLY = 200  # lines that journald may have put before the mark of their start
TRIES = 40  # places of one word that are looked at
EVIDENCE = 300  # characters
TELLING = 3  # lines of a log that nobody knows
ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)?|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
ODD = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# journald's, vLLM's processes', levels' and files' words before the message itself.
PREFIX = re.compile(
    r"^(?:\w{3} +\d+ [\d:]+ \S+ [^\s:]+: |\d{4}-\d\d-\d\dT[\d:.+Z-]+ \S+ [^\s:]+: |\([\w =]+\) ?"
    r"|(?:ERROR|WARNING|INFO|CRITICAL|DEBUG) [\d-]+ [\d:.,]+ ?|\[[\w./]+\.py:\d+\] ?|\[rank\d+\]: ?)"
)
# The level that begins a line; a container's own INFO may stand before vLLM's ERROR.
CALM = re.compile(r"(?:^|[\s\[(])(INFO|DEBUG|WARNING|ERROR|CRITICAL|FATAL)(?=[\s:\]])")
NESTED = re.compile(r"\b(?:ERROR|CRITICAL)\b(?= \d\d-\d\d| - )")
WIDE = 200  # characters in which it stands
# Levels as vLLM writes them, and what stands for each before a bare message; errors first.
LEVELS = [
    (word, told, re.compile(rf"\b{word} [\d-]+ [\d:.,]+"))
    for told, names in (("ERROR ", ("ERROR", "CRITICAL")), ("INFO ", ("INFO", "DEBUG", "WARNING")))
    for word in names
]
QUIET = re.compile(r"(?:^|\W)(?:INFO|DEBUG|WARNING)(?:\W|$)|^\s*(?:warning|note|hint):", re.I)
FRAME = re.compile(
    r"[\s^~.]*$|File \"|(?:raise|return|await|self|with|for|yield|assert|if|async|def|super)\b[ .(]|Traceback"
)
LOUD = re.compile(
    r"(?:^|\W)(?:ERROR|CRITICAL|FATAL)(?:\W|$)|Traceback|Failed with result|^[\w.]*(?:Error|Exception)\b|^E: |Main process exited|NVRM|dxg|segfault"
    r"|(?i:oom[ -]kill|out of memory: killed|^killed$)"
)


class Fault(BaseModel):
    """A cause. `repair`: what deploy/full.py does about it; None where it cannot; then `person` is True, save for UNKNOWN."""

    model_config = ConfigDict(frozen=True)
    code: str
    cause: str
    fix: str
    evidence: str
    repair: str | None = None
    person: bool = False
    cause_zh: str = ""
    fix_zh: str = ""


def diagnose(text: str, most: int = 5, codes: Container[str] | None = None) -> list[Fault]:
    """Causes, the root first; empty where nothing went wrong; one UNKNOWN with the most telling lines where no row knows it.

    `most`: of them at most. `codes`: only these, and never UNKNOWN; None for all.
    """
    return causes(Log(text), most, codes)


def causes(log: Log, most: int = 5, codes: Container[str] | None = None) -> list[Fault]:
    """The same of a log that was read already."""
    among = [row for row in rows() if codes is None or row.code in codes]
    found = _ranked([hit for row in among if (hit := log.first(row)) is not None])
    if found:
        return [_fault(row, log.message(number)) for number, row in found[:most]]
    return [_unknown(log, telling)] if codes is None and (telling := log.telling()) else []


def _ranked(hits: list[tuple[int, Row]]) -> list[tuple[int, Row]]:
    """In the order of the log, one of a code and of a family; general ones only where there is nothing else."""
    special = [hit for hit in hits if not hit[1].general] or hits
    kept: dict[str, tuple[int, Row]] = {}
    for number, row in special:  # in the order of the tables
        key = row.family or row.code
        if key not in kept or (kept[key][1].code == row.code and number < kept[key][0]):
            kept[key] = (number, row)
    return sorted(kept.values(), key=lambda hit: hit[0])


def _fault(row: Row, line: str) -> Fault:
    return Fault(
        code=row.code,
        cause=row.cause,
        fix=row.fix,
        evidence=line[:EVIDENCE],
        repair=row.repair,
        person=row.repair is None,
        cause_zh=row.cause_zh,
        fix_zh=row.fix_zh,
    )


def _unknown(log: Log, telling: list[int]) -> Fault:
    lines = "\n".join(log.message(number)[: EVIDENCE // TELLING] for number in telling)
    return Fault(**words().fault[0], evidence=lines)


class Log:
    """The last start in a log, or all of it where it shows none: its lines without colours, and the same in lower case."""

    def __init__(self, text: str) -> None:
        self.lines = _last(_lines(text))
        self.text = "\n".join(self.lines)
        self.low = [line.lower() for line in self.lines]
        first = {line: number for number, line in reversed(list(enumerate(self.low))) if not calm(self.lines[number])}
        self.heard = sorted(first.values())  # each once; what is logged as INFO is no cause
        self.flat = "\n".join(self.low[number] for number in self.heard)

    def message(self, number: int) -> str:
        """A line without what journald, vLLM and its processes write before a message."""
        return _bare(self.lines[number])

    @property
    def began(self) -> str:
        """The time with which it begins, as journalctl -o short-iso writes it; empty where it has none."""
        first = next(iter(self.lines), "")
        found = re.match(r"\d{4}-\d\d-\d\dT[\d:]+[+-]\d{2}:?\d{2}", first)
        return found.group() if found else ""

    @property
    def ended(self) -> bool:
        """Whether the server served and was then stopped because somebody asked for it."""
        return self.end < len(self.low)

    @cached_property
    def starts(self) -> list[int]:
        """Where each line that is heard begins in `flat`."""
        return _offsets(self.low[number] for number in self.heard)

    @cached_property
    def whole(self) -> str:
        """All of it in lower case."""
        return "\n".join(self.low)

    @cached_property
    def served(self) -> int:
        """The line with which it served, or an installation was done; -1 where it did not."""
        places = [place for word in words().serving if (place := self.whole.find(word)) >= 0]
        places += [found.start() for found in expression("(?m)" + words().installed).finditer(self.whole)][-1:]
        return bisect.bisect_right(_offsets(self.low), min(places)) - 1 if places else -1

    @cached_property
    def end(self) -> int:
        """The line with which a server that served was stopped on demand; else one beyond the last."""
        asked = (n for n in range(self.served + 1, len(self.low)) if any(word in self.low[n] for word in words().stops))
        return next(asked, len(self.low)) if self.served >= 0 else len(self.low)

    @cached_property
    def marks(self) -> list[tuple[int, str]]:
        """(line, stage) where stages of the start begin."""
        places = _offsets(self.lines)
        found = [
            (expression(row.marker).search(self.text), str(row.name)) for row in stages.known().stage if row.marker
        ]
        return sorted((bisect.bisect_right(places, mark.start()) - 1, name) for mark, name in found if mark)

    def stage(self, number: int) -> str:
        """How far the start had come at a line."""
        if 0 <= self.served < number:
            return "serving"
        return ([name for line, name in self.marks if line <= number] or ["none"])[-1]

    def first(self, row: Row) -> tuple[int, Row] | None:
        """The first line that tells this cause."""
        numbers = [number for word in row.says for number in self._places(word) if self._tells(row, number)]
        return (min(numbers), row) if numbers else None

    def _places(self, word: str) -> Iterator[int]:
        at = self.flat.find(word)
        for _ in range(TRIES):
            if at < 0:
                return
            yield self.heard[bisect.bisect_right(self.starts, at) - 1]
            at = self.flat.find(word, at + 1)

    def _tells(self, row: Row, number: int) -> bool:
        if not self.served < number < self.end or self.quiet(number):
            return False
        if self.served >= 0 and not LOUD.search(self.message(number)):  # what people asked it is no cause
            return False
        if row.match and not expression(row.match).search(self.message(number)):
            return False
        if row.stage and self.stage(number) not in row.stage:
            return False
        near = "\n".join(self.low[max(0, number - NEAR) : number + NEAR + 1]) if row.unless or row.around else ""
        there = self.whole if row.wide else near
        return not any(word in near for word in row.unless) and (
            not row.around or any(word in there for word in row.around)
        )

    def quiet(self, number: int) -> bool:
        """Whether a line is of those that are never a cause, or what one request met in a server that serves."""
        line = self.low[number]
        told = words()
        return any(word in line for word in told.harmless) or (
            self.served >= 0 and any(word in line for word in told.requests)
        )

    def telling(self) -> list[int]:
        """Lines that speak of a failure, the last few; where only its end is told, that."""
        if self.served >= 0 and not any(
            word in line for line in self.low[self.served : self.end] for word in words().ended
        ):
            return []
        failed: list[int] = []
        causes: list[int] = []
        for number in range(self.end - 1, self.served, -1):  # from the end: a long log need not be read whole
            if self._loud(self.message(number)) and not self.quiet(number):
                failed.append(number)
                causes += [] if any(word in self.low[number] for word in words().symptoms) else [number]
                if len(causes) == TELLING:
                    break
        return (causes or failed)[:TELLING][::-1]

    def _loud(self, line: str) -> bool:
        """Whether a line speaks of a failure; a traceback's frames do not."""
        bare = line.removeprefix("ERROR ").strip()
        if FRAME.match(bare) or not expression(words().failing).search(bare):
            return False
        return bool(LOUD.search(line)) or (self.served < 0 and not QUIET.search(line))


def calm(line: str) -> bool:
    """Whether a line was logged as INFO or DEBUG, as vLLM, NCCL, uvicorn and Python's logging write it."""
    head = line[:WIDE]
    if "INFO" not in head and "DEBUG" not in head:
        return False
    found = CALM.search(head)
    return found is not None and found.group(1) in ("INFO", "DEBUG") and NESTED.search(head) is None


def _offsets(lines: Iterable[str]) -> list[int]:
    """Where each line begins in the text that they make."""
    found, at = [], 0
    for line in lines:
        found.append(at)
        at += len(line) + 1
    return found


def _lines(text: str) -> list[str]:
    """Lines without colours and progress bars' earlier states."""
    text = text if len(text) <= HEAD + TAIL else text[:HEAD] + "\n" + text[-TAIL:]
    found = [line[:WIDTH] for line in text.replace("\r", "\n").split("\n") if line and not line.isspace()]
    return [ANSI.sub("", line) if ODD.search(line) else line for line in found]


def _bare(line: str) -> str:
    """The message of a line; its level stays where it is an error's."""
    head = line[:120]
    level = next((told for word, told, pattern in LEVELS if word in head and pattern.search(head)), "")
    for _ in range(6):
        shorter = PREFIX.sub("", line)
        if shorter == line:
            break
        line = shorter
    return level + line.strip()


def _last(lines: list[str]) -> list[str]:
    """The lines of the last start; all where the log shows none."""
    places = _offsets(lines)
    firm: list[int] = []
    last = -CLOSE
    for mark in expression(words().begin).finditer("\n".join(lines)):
        number = bisect.bisect_right(places, mark.start()) - 1
        if number - last > CLOSE or mark.group().startswith(
            "Starting vllm-workstation"
        ):  # systemd says it once a start
            firm.append(number)
        last = number
    first = _early(lines, firm[-1]) if firm else 0
    return lines[first:] if first < len(lines) - 1 else lines


def _early(lines: list[str], mark: int) -> int:
    """Where a start's own first lines begin.

    journald may take in what a process wrote before systemd's "Starting", which was said first (13 of 60 starts on two busy
    processors): so what stands between that and systemd's last word of the start before is this start's.
    """
    if "systemd[" not in lines[mark][:EVIDENCE]:
        return mark
    ours = range(mark - 1, max(-1, mark - EARLY), -1)
    before = next((number for number in ours if "systemd[" in lines[number][:EVIDENCE]), None)
    return mark if before is None or "]: Start" in lines[before] else before + 1
