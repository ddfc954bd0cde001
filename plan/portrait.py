"""What a machine is and serves, for the doctor: card, memory plan, last answer, known holes."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

from plan import advisories, card, engine
from plan.machine import Machine
from plan.plan import Plan
from plan.report import Answer, Card, Memory, Part, Vulnerability, Words
from plan.settings import Settings

LOCAL = {
    "en": "Only programs of this machine reach the server: it listens on {host}.",
    "zh": "只有本機的程式能連到伺服器：它只在 {host} 上監聽。",
}


def portrait(machine: Machine, settings: Settings, plan: Plan) -> dict[str, Any]:
    """Fields of HostReport that hold whatever is wrong; what is unknown is None."""
    serving = plan.serve is not None and not plan.refusals
    return {
        "system": system(machine),
        "card": gpu(machine),
        "engine": plan.engine,
        "release": plan.release.name if plan.release else None,
        "model": plan.model.name if plan.model else None,
        "url": f"http://{settings.host}:{settings.port}/v1" if serving else None,
        "answer": answer(machine),
        "memory": memory(machine, plan),
        "vulnerabilities": vulnerabilities(settings, plan),
    }


def system(machine: Machine) -> str:
    """`Ubuntu 24.04 in WSL 2`."""
    name = machine.system.os.name or "an unknown system"
    return f"{name} in WSL {machine.wsl.version}" if machine.wsl.version else name


def gpu(machine: Machine) -> Card | None:
    """The card that serves or would; None where there is none."""
    best = engine.best_gpu(machine)
    if best is None:
        return None
    return Card(
        name=best.name,
        total_gib=_gib(best.memory_total_mib),
        free_gib=_gib(best.memory_free_mib),
        driver=best.driver or machine.gpu.driver,
        compute_capability=best.compute_capability,
    )


def _gib(mib: int | None) -> float | None:
    return None if mib is None else round(mib / 1024, 1)


def memory(machine: Machine, plan: Plan) -> Memory | None:
    """The memory plan of the chosen release; None where there is none, as on the processor."""
    picked = next((one for one in plan.candidates if plan.choice and one.release.name == plan.choice.release), None)
    best = engine.best_gpu(machine)
    if picked is None or picked.fitting is None or best is None:
        return None
    fit = picked.fitting.fit
    parts = [Part(name=name, gib=round(gib, 3)) for name, gib in fit.memory_gib.items()]  # type: ignore[arg-type]
    if fit.offload_gib:
        parts.append(Part(name="offloaded", gib=round(fit.pinned_gib, 3), where="host"))
    return Memory(
        free_gib=round(card.of(machine, best).free_gib, 2),
        parts=parts,
        max_model_len=fit.max_model_len,
        max_num_seqs=fit.max_num_seqs,
        kv_tokens=fit.kv_tokens,
        predicted_tok_s=round(fit.tok_s, 1) if fit.tok_s else None,
    )


def answer(machine: Machine) -> Answer | None:
    """The recorded answers after the last start: the first one's words, the speed of the longest; None where the record cannot be read."""
    try:
        told = json.loads(machine.service.answered or "{}")
        asked = [*told["answers"], *([told["speed"]] if told.get("speed") else [])]
        longest = max(asked, key=lambda one: one.get("tokens") or 0)
        tokens, seconds = longest.get("tokens"), longest.get("seconds")
        return Answer(
            text=str(told["answers"][0]["answer"])[:200],
            at=datetime.fromtimestamp(told["at"], timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            seconds=seconds,
            tokens=tokens,
            tok_s=round(tokens / seconds, 1) if tokens and seconds else None,
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, OSError):
        return None


def vulnerabilities(settings: Settings, plan: Plan) -> list[Vulnerability]:
    """Known holes of the release that serves; those that need the port are compensated where only this machine reaches it."""
    if plan.release is None or plan.model is None:
        return []
    exposed = not settings.near
    found = advisories.applying(plan.release.version, exposed=True, other_model=not plan.model.is_gpt_oss)
    local = None if exposed else Words(**{name: text.format(host=settings.host) for name, text in LOCAL.items()})
    return [
        Vulnerability(
            id=one.id,
            severity=one.severity,
            text=Words(en=one.text, zh=one.text_zh),
            applies=Words(en=one.applies, zh=one.applies_zh),
            fixed=one.fixed,
            compensated=local if one.needs == "port" else None,
        )
        for one in found
    ]
