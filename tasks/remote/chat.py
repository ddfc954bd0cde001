"""Started means answered: ask the server two questions through the OpenAI SDK and read the answers."""

from __future__ import annotations

import hashlib
import json
import os
import time
from typing import Any, Dict, List, Optional

from . import common
from .serve import key

PAUSE = 0.5
LONG = "Write the numbers from one to sixty as English words."  # for the speed only
LONG_TOKENS = 64
LONG_SECONDS = 30


def wait(root: str, pid: Optional[int] = None) -> Dict[str, Any]:
    """Ask until both answers are right; records service/answered. Raises common.Failure when the server dies or time runs out."""
    plan = common.load(root + "/service/plan.json") or {}
    client = _client(root, plan)
    end = time.time() + plan["timeout"]
    words = "it does not listen"
    while time.time() < end:
        if pid is not None and not os.path.exists("/proc/%d" % pid):
            raise common.Failure("the server stopped while starting.")
        if _healthy(client):
            answers = ask(client, plan)
            wrong = [a for a in answers if not a["right"]]
            if not wrong:
                return _record(root, plan, answers, speed(client, plan))
            words = "to %r it says %r" % (wrong[0]["question"], wrong[0]["answer"][:200])
            if time.time() + 60 < end and words.startswith("to"):
                end = min(end, time.time() + 60)  # it runs and answers wrongly: no use in waiting long
        time.sleep(PAUSE)
    raise common.Failure("the server gives no right answer: %s." % words)


def _client(root: str, plan: Dict[str, Any]) -> Any:
    from openai import OpenAI

    host = plan["host"] if plan["host"] not in ("0.0.0.0", "::") else "127.0.0.1"
    host = "[%s]" % host if ":" in host else host
    return OpenAI(
        base_url="http://%s:%d/v1" % (host, plan["port"]),
        api_key=key(root) if plan["key"] else "none",
        max_retries=0,
        timeout=120,
    )


def _healthy(client: Any) -> bool:
    try:
        client.models.list(timeout=5)
    except Exception:
        return False
    return True


def ask(client: Any, plan: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Question, answer, whether it holds the expected word, seconds and tokens of each."""
    found = []
    extra = {"reasoning_effort": "low"} if plan["low_effort"] else {}
    for question, word in plan["questions"]:
        since = time.time()
        try:
            reply = client.chat.completions.create(
                model=plan["model"],
                messages=[{"role": "user", "content": question}],
                max_tokens=300,
                temperature=0,
                extra_body=extra,
            )
            answer = (reply.choices[0].message.content or "").strip()
            tokens = reply.usage.completion_tokens if reply.usage else None
        except Exception as error:
            answer, tokens = "%s: %s" % (type(error).__name__, str(error)[:300]), None
            found.append({"question": question, "answer": answer, "right": False})
            continue
        right = bool(answer) and word in answer.lower()
        found.append(
            {
                "question": question,
                "answer": answer,
                "right": right,
                "seconds": round(time.time() - since, 2),
                "tokens": tokens,
            }
        )
    return found


def speed(client: Any, plan: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """Tokens and seconds of one longer answer, the prompt's time with it; None where it does not come in LONG_SECONDS."""
    since = time.time()
    try:
        reply = client.chat.completions.create(
            model=plan["model"],
            messages=[{"role": "user", "content": LONG}],
            max_tokens=LONG_TOKENS,
            temperature=0,
            extra_body={"reasoning_effort": "low"} if plan["low_effort"] else {},
            timeout=LONG_SECONDS,
        )
        return {"tokens": reply.usage.completion_tokens, "seconds": round(time.time() - since, 3)}
    except Exception:  # it has answered: how fast is only told
        return None


def _record(
    root: str, plan: Dict[str, Any], answers: List[Dict[str, Any]], pace: Optional[Dict[str, Any]] = None
) -> Dict[str, Any]:
    held = hashlib.sha256(key(root).encode()).hexdigest()[:16] if plan["key"] else None
    record = {"spec": plan["spec"], "key": held, "at": int(time.time()), "answers": answers, "speed": pace}
    common.write(root + "/service/answered", json.dumps(record, indent=1), 0o600)
    return record
