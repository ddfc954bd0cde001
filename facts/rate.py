"""How fast a machine downloads now: a piece of a file that it will need, read and thrown away."""

from __future__ import annotations

import json

from pyinfra.api import FactBase, QuoteString, StringCommand
from typing_extensions import override

from facts import bundle

SIZE = 8 << 20  # bytes at most
SECONDS = 3.0
PROGRAMME = """
import json,ssl,sys,time,urllib.request
url,size,seconds=sys.argv[1],int(sys.argv[2]),float(sys.argv[3])
got,since=0,None
try:
 ask=urllib.request.Request(url,headers={"Range":"bytes=0-%d"%(size-1),"User-Agent":"vllm-workstation"})
 with urllib.request.urlopen(ask,timeout=10,context=ssl.create_default_context()) as answer:
  since=time.time()
  while got<size and time.time()-since<seconds:
   piece=answer.read(1<<16)
   if not piece:break
   got+=len(piece)
except Exception:pass
print(json.dumps({"bytes":got,"seconds":time.time()-since if since else 0}))
"""


class Rate(FactBase[float | None]):
    """
    Returns bytes/s of reading the first 8 MiB of a URL, for 3 seconds at most; None where nothing came. Nothing is written.

    .. code:: python

        21_000_000.0
    """

    @staticmethod
    @override
    def default() -> None:
        return None

    @override
    def command(self, url: str) -> StringCommand:
        words = [QuoteString(PROGRAMME), QuoteString(url), str(SIZE), str(SECONDS)]
        return StringCommand(
            "if command -v python3 >/dev/null; then", f"{bundle.PYTHON} -I -c", *words, "; else true; fi"
        )

    @override
    def process(self, output: list[str]) -> float | None:
        for line in output:
            if line.startswith("{"):
                told = json.loads(line)
                return told["bytes"] / told["seconds"] if told["bytes"] and told["seconds"] > 0 else None
        return None
