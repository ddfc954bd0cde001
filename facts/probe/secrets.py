"""Tokens, keys and passwords in text that leaves the machine, replaced by ***.

Every repetition is bounded, so that a long line costs no more than its length.
"""

from __future__ import annotations

import re

NAME = r"(?:api[-_]?keys?|secret|token|password|passwd|(?:access|account)[-_]?key)(?:[-_](?:access[-_]key|key|id))?"
VALUE = r"(?:\"[^\"\n]{0,999}\"|'[^'\n]{0,999}'|\[[^\]]{0,999}\]|\([^)\n]{0,999}\)|[^\s\"',;\])}&]{1,4096})"
MORE = r"(?:(?<=\w) (?![-*])[^\s\"',]{1,999}){0,2}"  # further words of a list
PLAIN = r"(?![\"']?(?:none|true|false|null|\d{1,7})\b|\*\*\*)"  # stands after such a name and is no secret
SECRETS = (
    re.compile(r"(-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----)[\s\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)"),
    # As their makers write them, wherever they stand.
    re.compile(
        r"\b(?:hf_[A-Za-z0-9]{8,}|(?:sk-|nvapi-|pypi-|glpat-|xox[abprs]-|gh[pousr]_|github_pat_|AKIA|AIza)[\w-]{8,})"
    ),
    re.compile(r"\beyJ[\w-]{8,4096}\.[\w-]{1,4096}\.[\w-]{0,4096}"),
    re.compile(r"(://)[^\s/\"'<>]{1,300}(?=@)"),  # the token of a URL
    # user:p/w@ of a URL; HOST:8000/x@y is none
    re.compile(r"(://)(?![^\s/:@]{1,100}\.[^\s/:@]{1,100}:\d{1,5}/)[^\s/:\"'<>]{1,100}:[^\s\"'<>]{1,300}(?=@[\w\[])"),
    re.compile(r"(?i)((?:authorization|cookie|x-api-key)[\"']?[ \t]*[:=][ \t]*[\"']?)[^\r\n\"']+"),
    re.compile(r"(?i)(?<=\bbearer )(?=\S{6})[^\s'\"]+"),
    # --api-key hunter2 second, --hf-token=-x, '--password', 'x'
    re.compile(r"(?i)((?<!-)--[\w-]{0,40}?" + NAME + r"=)" + PLAIN + VALUE),
    re.compile(r"(?i)((?<!-)--[\w-]{0,40}?" + NAME + r"(?: |[\"'], ?)[ \t]{0,9})(?!-)" + PLAIN + VALUE + MORE),
    re.compile(r"(?i)(\blogin \S{1,99} password )\S+"),  # of a netrc
    re.compile(r"(?i)(" + NAME + r"[\"']?[ \t]{0,9}[:=][ \t]{0,9})" + PLAIN + r"(?:Key\(value=)?" + VALUE),
    re.compile(r"(?i)([?&](?:key|sig|signature|x-amz-signature)=)[^&\s\"']+"),
)


def clean(text: str) -> str:
    """The text with tokens, keys and passwords replaced by ***."""
    for pattern in SECRETS:
        text = pattern.sub(lambda found: (found.group(1) if found.re.groups else "") + "***", text)
    return text
