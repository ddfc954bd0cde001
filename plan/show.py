"""What would be done on a machine, before anything is: for people as text, for programs as JSON."""

from __future__ import annotations

from typing import Any

from packaging.version import Version

from plan import engine, serve, tuned
from plan import plan as plans
from plan.candidates import Candidate
from plan.evidence import Reason
from plan.machine import Machine
from plan.plan import Plan
from plan.settings import Settings

WIDTH = 64  # of the memory bar
LETTERS = {"context": "c", "weights": "W", "activations": "a", "graphs": "g", "kv": "K", "reserve": "."}
NAMES = {
    "context": "CUDA context",
    "weights": "weights",
    "activations": "activations, workspaces, sampler",
    "graphs": "CUDA graphs",
    "kv": "KV cache",
    "reserve": "left alone",
}


def show(machine: Machine, settings: Settings) -> dict[str, Any]:
    """The plan as plain data; `refused` holds the reason where there is none. GiB, tokens, tokens/s, seconds."""
    made = plans.make(machine, settings, sudo_password=True)
    if made.refusals:
        return _refused(made)
    picked = _picked(made)
    gpu = engine.best_gpu(machine) if made.engine == "cuda" else None
    assert made.model is not None
    wanted, environment, reasons = tuned.tuned(machine, settings, picked, made.model, gpu)
    flags, more, _ = serve.options(Version(picked.release.version.public), wanted)
    found = picked.fitting.fit if picked.fitting else None
    told = [reason.model_dump() for reason in [*made.reasons, _why(made, picked), *reasons]]
    return {
        "engine": made.engine,
        "release": picked.release.name,
        "model": made.model.name,
        "flags": flags,
        "env": environment | more,
        "offload_gib": round(found.offloaded / (1 << 30), 3) if found else 0.0,
        "kv_tokens": found.kv_tokens if found else None,
        "max_model_len": found.max_model_len if found else None,
        "max_num_seqs": found.max_num_seqs if found else None,
        "memory_gib": {name: round(value, 3) for name, value in found.memory_gib.items()} if found else {},
        "load_peak_gib": round(found.load_peak_gib, 3) if found else None,
        "pinned_gib": round(found.pinned_gib, 3) if found else 0.0,
        "predicted_tok_s": round(found.tok_s, 1) if found and found.tok_s else None,
        "predicted_ttft_s": round(found.first_token_s, 2) if found and found.first_token_s else None,
        "plugin": bool(found and found.plugin),
        "refused": None,
        "reasons": told,
        "notes": [note.message for note in made.notes],
    }


def _refused(made: Plan) -> dict[str, Any]:
    empty: dict[str, Any] = {
        "engine": made.engine,
        "release": None,
        "flags": [],
        "env": {},
        "offload_gib": None,
        "kv_tokens": None,
    }
    empty |= {"memory_gib": {}, "predicted_tok_s": None, "predicted_ttft_s": None}
    return {**empty, "refused": " ".join(str(refusal) for refusal in made.refusals), "reasons": [], "notes": []}


def _picked(made: Plan) -> Candidate:
    """The recorded choice, else the first that is maintained: only the resolver knows whether the ordered build is to be had."""
    chosen = [c for c in made.candidates if made.choice and c.release.name == made.choice.release]
    return (chosen or [c for c in made.candidates if not c.release.ordered] or made.candidates)[0]


def _why(made: Plan, picked: Candidate) -> Reason:
    ordered = next((c.release for c in made.candidates if c.release.ordered), None)
    text = f"vLLM {picked.release.name}: {picked.release.note}."
    if ordered and not picked.release.ordered and made.choice is None:
        text += f" {ordered.requirements[0]} is asked for first, and taken where it still resolves."
    return Reason(text=text, evidence=tuned.release_evidence(picked.release), date=picked.release.date)


def text(told: dict[str, Any], free_gib: float | None) -> str:
    """For people: what runs, how fast, where the memory goes, and why."""
    if told["refused"]:
        return f"Refused: {told['refused']}"
    lines = [f"vLLM {told['release']} on {told['engine']}: {_speed(told)}"]
    if told["memory_gib"]:
        lines += ["", *bar(told["memory_gib"], free_gib or sum(told["memory_gib"].values()))]
    environment = " ".join(f"{name}={value}" for name, value in sorted(told["env"].items()))
    lines += ["", environment, f"vllm serve {told['model']} " + " ".join(_quoted(flag) for flag in told["flags"]), ""]
    lines += [f"- {reason['text']} ({reason['evidence']}, {reason['date']})" for reason in told["reasons"]]
    return "\n".join([*lines, *(f"- note: {note}" for note in told["notes"])])


def _quoted(flag: str) -> str:
    return f"'{flag}'" if "{" in flag else flag


def _speed(told: dict[str, Any]) -> str:
    if told["kv_tokens"] is None:
        return "not planned in detail"
    speed = f"about {told['predicted_tok_s']:.0f} tokens/s" if told["predicted_tok_s"] else "speed unknown"
    first = f", first token of 2,000 after {told['predicted_ttft_s']:.2f} s" if told["predicted_ttft_s"] else ""
    seqs = told["max_num_seqs"]
    return f"{speed}{first}; context {told['max_model_len']:,}, {told['kv_tokens']:,} tokens of KV cache, {seqs} requests at once"


def bar(parts: dict[str, float], free: float) -> list[str]:
    """The card's free memory as one line of letters, and a line for each part."""
    drawn = "".join(LETTERS[name] * max(1, round(parts[name] / free * WIDTH)) for name in LETTERS if name in parts)
    lines = [f"[{drawn[:WIDTH]:.<{WIDTH}}] {free:.1f} GiB free"]
    return lines + [f"  {LETTERS[name]}  {parts[name]:6.2f} GiB  {NAMES[name]}" for name in LETTERS if name in parts]
