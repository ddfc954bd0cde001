"""The options of `vllm serve`, as the real parser of this version knows them.

options.json beside this file is a dump of that parser; without it anything is accepted.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).with_name("options.json")


def parse(words: list[str]) -> argparse.Namespace:
    """Exit 2, as argparse does, at an option or a choice that this version refuses."""
    parser = argparse.ArgumentParser(prog="vllm serve", allow_abbrev=False)
    parser.add_argument("model_tag", nargs="?")
    known = known_options()
    for name, option in (known or BASIC).items():
        if name not in ("help", "model_tag", "subparser") and option["flags"]:
            parser.add_argument(*option["flags"], dest=name, **_settings(option))
    plain = [_dashed(word) for word in words]
    if known:
        return parser.parse_args(plain)
    return parser.parse_known_args(plain)[0]


def known_options() -> dict[str, dict[str, Any]]:
    """The dump; empty when this version has none."""
    if not DATA.exists():
        return {}
    options: dict[str, dict[str, Any]] = json.loads(DATA.read_text())["options"]
    return options


def _settings(option: dict[str, Any]) -> dict[str, Any]:
    if option["kind"] == "BooleanOptionalAction":
        return {"action": "store_true"}
    if option["kind"] == "StoreTrueAction":
        return {"action": "store_true"}
    settings: dict[str, Any] = {"nargs": option["nargs"]} if option["nargs"] else {}
    if option["choices"]:
        settings["choices"] = [str(choice) for choice in option["choices"]]
    return settings


def _dashed(word: str) -> str:
    """vLLM's parser takes --max_model_len for --max-model-len, and --a.b=1 as part of --a."""
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    return name.split(".")[0].replace("_", "-") + equals + value


def _plain(flag: str, nargs: str | None = None) -> dict[str, Any]:
    return {"flags": [flag], "kind": "StoreAction", "nargs": nargs, "choices": None}


BASIC: dict[str, dict[str, Any]] = {
    "model": _plain("--model"),
    "host": _plain("--host"),
    "port": _plain("--port"),
    "served_model_name": _plain("--served-model-name", "+"),
    "api_key": _plain("--api-key", "+"),
    "max_model_len": _plain("--max-model-len"),
}
