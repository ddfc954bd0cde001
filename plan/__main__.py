"""`python -m plan`: the command line is composed where everything is composed, in deploy/command.py."""

from __future__ import annotations

import runpy

if __name__ == "__main__":
    runpy.run_module("deploy.command", run_name="__main__")
