"""The doctor's report in a terminal: at most a screen a host."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from plan.report import Diagnosis, HostReport, Report
from tasks import stdout

STATES = {
    "healthy": ("green", "healthy"),
    "rerun": ("yellow", "run deploy/full.py again"),
    "person": ("red", "somebody must act"),
    "unreachable": ("red", "not reached"),
}
MANY = 4  # hosts from which on the healthy ones get a line each
LONG = 400  # characters of the primary's evidence; all of them stand in the report's files
OTHERS = 5  # findings below the primary


def show(report: Report, console: Console | None = None) -> None:
    """Print it: the hosts in their order, then one line for all."""
    stdout.forgiving()
    out = console or Console(stderr=False, highlight=False)
    for host in report.hosts:
        if host.state == "healthy" and len(report.hosts) > MANY:
            out.print(Text.assemble((f"{host.name}  ", "bold"), ("healthy", "green"), f"  {_serves(host)}"))
        else:
            out.print(_panel(host))
    counts = {state: sum(host.state == state for host in report.hosts) for state in STATES}
    told = ", ".join(f"{count} {STATES[state][1]}" for state, count in counts.items() if count)
    out.print(Text(f"{len(report.hosts)} host{'s' if len(report.hosts) != 1 else ''}: {told}"))


def _panel(host: HostReport) -> Panel:
    colour, word = STATES[host.state]
    parts: list[RenderableType] = [_facts(host)]
    if host.primary:
        parts += [Text(), _finding(host.primary)]
    parts += [line for one in host.others[:OTHERS] for line in _lines(one)]
    if len(host.others) > OTHERS:
        parts.append(Text(f"and {len(host.others) - OTHERS} more; --data report=FOLDER writes all", "dim"))
    parts += _advice(host)
    parts += _security(host) + _since(host)
    return Panel(
        Group(*parts),
        title=Text.assemble((host.name, "bold"), "  ", (word, colour)),
        title_align="left",
        border_style=colour,
    )


def _facts(host: HostReport) -> Table:
    table = Table.grid(padding=(0, 2))
    if host.system:
        table.add_row("system", Text(host.system))
    if host.card:
        card = host.card
        size = f", {card.free_gib} of {card.total_gib} GiB free" if card.free_gib is not None else ""
        table.add_row("card", Text(f"{card.name}{size}, driver {card.driver or 'unknown'}"))
    if host.release:
        table.add_row("server", Text(_serves(host)))
    if host.memory:
        parts = ", ".join(f"{one.name} {one.gib:.1f}" for one in host.memory.parts)
        table.add_row("memory", Text(f"{parts} of {host.memory.free_gib:.1f} GiB"))
    return table


def _serves(host: HostReport) -> str:
    words = [f"vLLM {host.release}" if host.release else "", host.model or "", host.url or ""]
    if host.answer and host.answer.tok_s:
        words.append(f"{host.answer.tok_s:g} tokens/s when last asked")
    return ", ".join(word for word in words if word)


def _finding(one: Diagnosis) -> RenderableType:
    colour = "red" if one.severity == "error" else "yellow"
    more = f" (and {one.also} more)" if one.also else ""
    table = Table.grid(padding=(0, 2))
    evidence = one.evidence if len(one.evidence) <= LONG else one.evidence[:LONG] + "…"
    table.add_row(Text(one.severity, colour), Text(f"{one.code}: {evidence}{more}", "bold"))
    for name, words in (("cause", one.cause), ("fix", one.fix), ("risk", one.risk)):
        table.add_row(name, Text(words.en))
    return table


def _lines(one: Diagnosis) -> list[Text]:
    """A finding below the primary in one line, and under it what a person is to do."""
    more = f" (and {one.also} more)" if one.also else ""
    told = f"{one.severity}  {one.code}{more}: {' '.join(one.evidence.split())}"
    fix = [Text(f"  -> {one.fix.en}")] if one.actor == "person" else []
    return [Text(told, no_wrap=True, overflow="ellipsis"), *fix]


def _advice(host: HostReport) -> list[RenderableType]:
    """In full where nothing is wrong; else it can wait, and only its names are told."""
    if host.primary is None or not host.advice:
        return [Text(f"advice: {one.text.en}", "dim") for one in host.advice[:3]]
    names = ", ".join(one.code for one in host.advice)
    return [Text(f"advice: {names}; --data report=FOLDER writes all", "dim")]


def _security(host: HostReport) -> list[RenderableType]:
    kept = [one for one in host.vulnerabilities if one.compensated]
    if not kept:
        return []
    names = ", ".join(one.id for one in kept[:3]) + (", …" if len(kept) > 3 else "")
    count = f"{len(kept)} known hole{'s' if len(kept) > 1 else ''} of this release"
    return [Text(f"{count} ({names}): {kept[0].compensated.en if kept[0].compensated else ''}", "dim")]


def _since(host: HostReport) -> list[RenderableType]:
    if host.drift is None or not (host.drift.new or host.drift.gone):
        return []
    return [
        Text(
            f"since {host.drift.since}: new {', '.join(host.drift.new) or '-'}; gone {', '.join(host.drift.gone) or '-'}",
            "dim",
        )
    ]
