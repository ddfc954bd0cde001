"""One download for a lab: a cache, and workstations that get everything from it, and manage without it.

VLLM_WORKSTATION_LONG=1: sixteen of them in all, instead of two.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.host.lab import Host, Lab
from tests.host.product import BIG, Run, inventory, run, site

pytestmark = pytest.mark.host
SERVER = "/home/ops/.local/share/vllm-workstation/cache-server"
USERCTL = "XDG_RUNTIME_DIR=/run/user/1000 systemctl --user"
FURTHER = 15 if os.environ.get("VLLM_WORKSTATION_LONG") else 1  # workstations after the first, set up at once
FRESH = "rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb; mkdir -p /var/lib/apt/lists/partial"


class Cached:
    """A machine that is the cache, and how the others are set up with it."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        lab.destroy("cache")
        self.cache = lab.host("cache", "debian-12")
        row = (self.cache.name, {**lab.inventory_data(self.cache, "ops"), **site(lab)})
        self.where = folder / "cache.py"
        self.where.write_text(f"lab = {[row]!r}\n")

    def workstation(self, name: str) -> Host:
        """A new one, without apt's lists: those would be a download too."""
        self.lab.destroy(name)
        made = self.lab.host(name, "debian-12", [BIG])
        made.ssh(FRESH)
        return made

    def full(self, *machines: Host, options: Sequence[str] = ()) -> Run:
        """full.py with the setting, on all of them at once."""
        where = inventory(self.lab, self.folder, list(machines), "ops", cache=self.cache.address)
        return run(self.lab, where, "deploy/full.py", "-y", *options, timeout=2400)

    def outside(self, machine: Host, since: float) -> list[str]:
        """What a machine asked of the world."""
        return [f"{one.name}{one.path}" for one in self.lab.requests(since) if one.client == machine.address]


@pytest.fixture(scope="module")
def cached(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cached]:
    """Set up by one run, and filled by a first workstation."""
    made = Cached(lab, tmp_path_factory.mktemp("cached"))
    done = run(lab, made.where, "deploy/cache.py", "-y")
    assert done.code == 0 and f"the others use it with cache = '{made.cache.address}'" in done.text, done.text
    first = made.workstation("c1")
    since = time.time()
    done = made.full(first)
    assert done.code == 0, done.text
    assert made.outside(first, since) == []
    first.destroy()
    yield made
    for name in ("cache", "poisoned", "alone", *(f"c{number}" for number in range(1, 2 + FURTHER))):
        lab.destroy(name)


def test_a_second_run_changes_nothing(cached: Cached) -> None:
    again = run(cached.lab, cached.where, "deploy/cache.py", "-y", "--json")
    assert (again.code, again.changes) == (0, 0), again.text
    both = inventory(cached.lab, cached.folder, [cached.cache, cached.cache], "ops")
    both.write_text(both.read_text().replace("('cache'", "('other'", 1))
    refused = run(cached.lab, both, "deploy/cache.py", "-y")
    assert refused.code == 1 and "more than one machine would become a cache" in refused.text, refused.text
    cached.cache.reboot()
    again = run(cached.lab, cached.where, "deploy/cache.py", "-y", "--json")
    assert (again.code, again.changes) == (0, 0), again.text


def test_further_workstations_download_nothing_from_outside(cached: Cached) -> None:
    """Neither do they, nor does the cache but for what may have changed; what they get is the same, and stays."""
    others, since = [cached.workstation(f"c{number}") for number in range(2, 2 + FURTHER)], time.time()
    done = cached.full(*others)
    assert done.code == 0 and "straight from the internet" not in done.text, done.text
    assert [one for other in others for one in cached.outside(other, since)] == []
    assert [one for one in cached.outside(cached.cache, since) if one.endswith((".whl", ".deb", ".safetensors"))] == []
    again = cached.full(*others, options=["--json"])
    assert (again.code, again.changes) == (0, 0), again.text
    plain = run(cached.lab, inventory(cached.lab, cached.folder, others, "ops"), "deploy/full.py", "-y", "--json")
    assert (plain.code, plain.changes) == (0, 0), plain.text  # the same release with and without a cache
    for other in others:
        other.destroy()


def test_a_poisoned_cache_is_refused(cached: Cached) -> None:
    """Whatever it keeps has other bytes in it: nothing of it is used, all comes from the internet, and that is said."""
    poison = (
        "import os,sys\n"
        "for base,_,names in os.walk(sys.argv[1]):\n"
        "  for name in names:\n"
        "    f=open(os.path.join(base,name),'r+b');d=f.read();f.seek(0)\n"
        "    i=d.find(b'\\r\\n\\r\\n')\n"
        "    b=d[i+4:]\n"
        "    if i>0 and len(b)>64 and any(k in d[:i] for k in (b'.whl',b'.deb',b'.safetensors')): f.write(d[:i+4]+bytes(x^1 for x in b))\n"
    )
    cached.cache.ssh(f"cat >/tmp/poison.py <<'END'\n{poison}END\npython3 /tmp/poison.py {SERVER}/data")
    third, since = cached.workstation("poisoned"), time.time()
    done = cached.full(third)
    assert done.code == 0, done.text
    assert "straight from the internet" in done.text
    asked = cached.outside(third, since)
    assert any("huggingface.co" in one for one in asked) and any(
        "developer.download.nvidia.com" in one for one in asked
    )
    again = cached.full(third, options=["--json"])
    assert (again.code, again.changes) == (0, 0), again.text


def test_without_the_cache_it_works_too(cached: Cached) -> None:
    """The cache is off: that is said, and everything comes straight; /etc/apt names no cache."""
    cached.cache.ssh(f"{USERCTL} stop vllm-workstation-cache", user="ops")
    fourth = cached.workstation("alone")
    done = cached.full(fourth)
    assert done.code == 0 and "does not answer" in done.text, done.text
    assert fourth.ssh(f"grep -r {cached.cache.address} /etc/apt", check=False).stdout == ""
    cached.cache.ssh(f"{USERCTL} start vllm-workstation-cache", user="ops")
