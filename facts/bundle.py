"""Pack stdlib-only modules into one short command for the target's python3, so that nothing is written there to look."""

from __future__ import annotations

import base64
import json
import zlib
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
# The system's own interpreter, isolated: a file in the current directory must never be imported (by root, even).
PYTHON = '"$(test -x /usr/bin/python3 && echo /usr/bin/python3 || echo python3)"'

# An importer over a dictionary: `from . import shell` works on the target as it does here.
LOADER = """
import base64,importlib,importlib.abc,importlib.util,json,sys,zlib
S=json.loads(zlib.decompress(base64.b85decode(sys.argv.pop(1))))
class F(importlib.abc.MetaPathFinder,importlib.abc.Loader):
 def find_spec(s,n,p=None,t=None):
  if n in S:return importlib.util.spec_from_loader(n,s,is_package=n+".__init__" in S)
 def create_module(s,m):return None
 def exec_module(s,m):exec(compile(S.get(m.__name__+".__init__")or S[m.__name__],m.__name__,"exec"),m.__dict__)
sys.meta_path.insert(0,F())
importlib.import_module(sys.argv.pop(1)).main(sys.argv[1:])
"""


def sources(package: Path, name: str) -> dict[str, str]:
    """`{module name: source}` of a package folder, as the loader wants it."""
    found = {name: "", f"{name}.__init__": "#"}
    for path in sorted(package.glob("*.py")):
        if path.stem != "__init__":
            found[f"{name}.{path.stem}"] = path.read_text(encoding="utf-8")
    return found


def pack(modules: dict[str, str]) -> str:
    """Base85 text of the compressed modules; about 15 kB for the probe, well below the 128 KiB of one argument."""
    return base64.b85encode(zlib.compress(json.dumps(modules).encode(), 9)).decode()


@cache
def probe() -> str:
    """The packed probe."""
    return pack(sources(HERE / "probe", "probe"))
