"""Plan against measurement, for people and for the result file."""

from __future__ import annotations

from typing import Any

from benchmarks.emulate.table import table

GIB = 1 << 30
NEAR_GIB, NEAR_SHARE = 0.3, 0.15
ACTIVE = 4 / 32  # experts that a token reads, of those that there are
# One token on the H200 where nothing is offloaded (2.85 ms: 351 tok/s, 2026-11-22); a run with such a case takes its own.
TOKEN_S = 0.00285
PARTS = ("context", "weights", "activations", "graphs", "kv")
SPEEDS = {
    "tok_s_1": ("tok/s, 1 stream", "predicted_tok_s"),
    "ttft_2k_s": ("first token of 2,000, s", "predicted_ttft_s"),
}
Row = dict[str, Any]


def checks(row: Row) -> list[Row]:
    """Each planned number beside the measured one: GiB differences, ratios, and whether they are near."""
    plan, memory = row.get("plan") or {}, row.get("memory_gib") or {}
    planned = plan.get("memory_gib") or {}
    pairs: list[tuple[str, Any, Any, bool]] = [
        (f"{part}, GiB", planned.get(part), memory.get(part), True) for part in PARTS
    ]
    used = sum(planned.get(part, 0.0) for part in PARTS) if planned else None
    pairs.append(("steady, GiB", used, memory.get("steady"), True))
    pairs.append(
        ("load peak, GiB", plan.get("load_peak_gib"), row.get("load_peak_gib") if row.get("ok") else None, True)
    )
    pairs.append(("KV tokens", plan.get("kv_tokens"), row.get("kv_tokens"), False))
    pairs += [(label, plan.get(key), row.get(name), False) for name, (label, key) in SPEEDS.items()]
    return [_check(*pair) for pair in pairs if pair[1] is not None and pair[2] is not None]


def _check(what: str, planned: float, measured: float, is_gib: bool) -> Row:
    ratio = round(measured / planned, 3) if planned else None
    near = abs(measured - planned) <= NEAR_GIB if is_gib else ratio is not None and abs(ratio - 1) <= NEAR_SHARE
    return {"what": what, "planned": round(planned, 3), "measured": measured, "ratio": ratio,
            "difference": round(measured - planned, 3), "near": near}  # fmt: skip


def bound(row: Row, token_s: float) -> float | None:
    """Tokens/s of one stream if the link were used without a pause: GPU time, then a token's share of what lies in host memory."""
    offloaded = (row.get("log") or {}).get("offloaded_gib", (row.get("plan") or {}).get("offload_gib"))
    if offloaded is None or not row.get("pcie_gb_s"):
        return None
    seconds = token_s + float(offloaded) * GIB * ACTIVE / (float(row["pcie_gb_s"]) * 1e9)
    return round(1 / seconds, 1)


def token_s(rows: list[Row]) -> float:
    """Seconds a token without any offload, from the fastest case of this run that has none."""
    speeds = [row["tok_s_1"] for row in rows if row.get("tok_s_1") and "offloaded_gib" not in row.get("log", {})]
    return 1 / max(speeds) if speeds and 1 / max(speeds) < 2 * TOKEN_S else TOKEN_S


def complete(rows: list[Row]) -> None:
    """Add to each row what follows from it."""
    for row in rows:
        row["checks"] = checks(row)
        row["bound_tok_s"] = bound(row, token_s(rows))


def text(rows: list[Row]) -> str:
    """The cases, then plan against measurement, then why the others failed."""
    heads = ["case", "result", "start s", "peak", "weights", "KV tokens", "tok/s 1", "bound", "tok/s 8", "2k s"]
    told = [table("measured (GiB, tokens)", heads, [_line(row) for row in rows])]
    lines = [[row["name"], *_words(check)] for row in rows for check in row.get("checks", [])]
    if lines:
        near = sum(check["near"] for row in rows for check in row.get("checks", []))
        title = f"plan against measurement: {near} of {len(lines)} near (within {NEAR_GIB} GiB, {NEAR_SHARE:.0%})"
        told.append(table(title, ["case", "what", "planned", "measured", "ratio", "difference", ""], lines))
    told += [
        f"{row['name']}: {row.get('failure') or row.get('refused')}\n  " + "\n  ".join(row.get("errors", []))
        for row in rows
        if not row["ok"]
    ]
    return "\n".join(told)


def _line(row: Row) -> list[str]:
    state = "serves" if row["ok"] else f"failed: {row.get('stage', '?')}"
    values = [
        row.get("start_s"),
        row.get("peak_gib"),
        row.get("log", {}).get("weights_gib"),
        row.get("kv_tokens"),
        row.get("tok_s_1"),
    ]
    values += [row.get("bound_tok_s") if row.get("tok_s_1") else None, row.get("tok_s_8"), row.get("ttft_2k_s")]
    return [row["name"], state, *(_number(value) for value in values)]


def _words(check: Row) -> list[str]:
    numbers = [_number(check[name]) for name in ("planned", "measured", "ratio", "difference")]
    return [check["what"], *numbers, "near" if check["near"] else "FAR"]


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if abs(value) >= 1000 else f"{value:.3g}"
