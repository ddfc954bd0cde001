"""The cache's process: find out whom it may ask, then keep nginx running."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from typing import Any, Dict, List
from urllib.parse import urlsplit

from . import common, registry

EVERY = 2.0  # seconds between looks at the network
NGINX = "/usr/sbin/nginx"
CARRIED = "wheelhouse.json"  # what the cache that a wheelhouse comes from might fetch
PROBED = "uv"  # a package whose page tells where an index keeps its files
FIRST = re.compile(r"^https?://[a-z0-9.-]+(?::\d+)?$")
LINK = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d+)?(?=/)")


def run(root: str) -> None:
    """Write what nginx includes, and keep it running. Raises common.Failure where it does not take its configuration."""
    folder = root + "/cache-server"
    os.makedirs(folder + "/state/www", exist_ok=True)
    os.makedirs(folder + "/data", exist_ok=True)
    seen = _network()
    _prepare(folder)
    if words := _refused(folder):
        raise common.Failure("nginx does not take its configuration: %s. Run deploy/cache.py again." % words)
    common.write(folder + "/state/running.json", json.dumps({"pid": os.getpid(), "digest": digest(root)}))
    nginx, ended = subprocess.Popen([NGINX, "-c", folder + "/nginx.conf"]), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    while nginx.poll() is None and not ended.wait(EVERY):
        if _network() != seen:
            seen = _network()
            _again(folder, nginx)
    sys.exit(_close(nginx, ended.is_set()))


def _network() -> List[str]:
    """What names are told by: at boot it may not be there yet, and with another network it is another."""
    return [common.text("/etc/resolv.conf"), common.text("/etc/hosts")]


def _again(folder: str, nginx: "subprocess.Popen[bytes]") -> None:
    _prepare(folder)
    words = _refused(folder)
    common.log("names are told by others now" + (": " + words if words else ""))
    if not words:
        nginx.send_signal(signal.SIGHUP)


def _refused(folder: str) -> str:
    argv = [NGINX, "-c", folder + "/nginx.conf", "-t", "-q"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode else ""


def _close(nginx: "subprocess.Popen[bytes]", told: bool) -> int:
    """The exit code: 0 where it was told to end. Downloads that are cut go on where they were."""
    if nginx.poll() is None:
        nginx.terminate()
    code = nginx.wait()
    return 0 if told else code or 1


def wait(root: str, seconds: str) -> None:
    """Until it answers. Raises common.Failure with its last words."""
    with open(root + "/cache-server/nginx.conf") as file:
        port = (re.findall(r"listen [0-9.]+:(\d+);", file.read()) or ["0"])[0]
    end = time.time() + float(seconds)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.time() < end:
        try:
            with opener.open("http://127.0.0.1:%s/cache.json" % port, timeout=2):
                return
        except (OSError, ValueError):
            time.sleep(0.2)
    raise common.Failure(
        "the cache does not answer at port %s. See: journalctl --user -u vllm-workstation-cache; then run this again."
        % port
    )


def digest(root: str) -> str:
    """What tells one state of the files from another."""
    return str(common.probe("cache").digest(root))


def _prepare(folder: str) -> None:
    planned = common.load(folder + "/sites.json") or {"sites": [], "below": []}
    offline = bool(planned.get("offline"))
    carried = (common.load(folder + "/" + CARRIED) or {}).get("sites", []) if offline else []
    sites = sorted({site.lower() for site in planned["sites"] + carried + own(folder) if FIRST.match(site.lower())})
    asked = nobody(sites, planned["below"]) if offline else backends(sites, planned["below"], _hosts(), _resolvers())
    common.write(folder + "/state/sites.conf", asked)
    common.write(
        folder + "/state/links.conf", "".join("sub_filter '%s/' '/%s/';\n" % (s, s.replace("://", "/")) for s in sites)
    )
    told = {"sites": sites, "below": planned["below"], "offline": offline}
    common.write(folder + "/state/www/cache.json", json.dumps(told), 0o644)


def backends(sites: List[str], below: List[str], hosts: Dict[str, str], resolvers: List[str]) -> str:
    """nginx's list of who may be asked. `hosts`: addresses of /etc/hosts, which nginx does not read; names else go to a resolver."""
    lines = ["resolver %s ipv6=off;" % " ".join(resolvers)] if resolvers else []
    rows = []
    for number, site in enumerate(sites):
        name = site.partition("://")[2]
        bare, _, port = name.partition(":")
        if bare in hosts:
            port = port or ("443" if site.startswith("https") else "80")
            lines.append("upstream kept_%d { server %s:%s; keepalive 16; }" % (number, hosts[bare], port))
            name = "kept_%d" % number
        rows.append('  "%s" "%s";' % (site, name))
    for number, end in enumerate(below):
        rows.append('  "~^https://(?<b%d>[a-z0-9.-]+\\.%s)$" $b%d;' % (number, re.escape(end), number))
    text = ['map "$asked_scheme://$asked_name" $backend {', '  default "";'] + rows + ["}"]
    return "\n".join(lines + text) + "\n"


def nobody(sites: List[str], below: List[str]) -> str:
    """The same for a lab without internet: a connection that fails at once, after which nginx serves what it keeps."""
    rows = ['  "%s" "nobody";' % site for site in sites]
    rows += ['  "~^https://[a-z0-9.-]+\\.%s$" "nobody";' % re.escape(end) for end in below]
    text = [
        "upstream nobody { server 127.0.0.1:9 max_fails=0; }",
        'map "$asked_scheme://$asked_name" $backend {',
        '  default "";',
    ]
    return "\n".join(text + rows + ["}"]) + "\n"


def own(folder: str) -> List[str]:
    """Indexes and mirrors of this machine's own uv, pip and apt, with the hosts that their files lie on."""
    root = os.path.dirname(folder)
    standard = registry.standard(root)
    indexes = [one for one in (registry.uv(root), registry.pip(root), standard[0] if standard else "") if one]
    found = set(indexes + apt())
    if standard:
        found.add("https://" + standard[1])
    for index in set(indexes) - ({standard[0]} if standard else set()):
        found |= set(LINK.findall(_page("%s/%s/" % (index.rstrip("/"), PROBED))))
    return sorted({_origin(url) for url in found if _origin(url)})


def _origin(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        return ""
    return "%s://%s%s" % (parts.scheme, parts.hostname, ":%d" % parts.port if parts.port else "")


def apt() -> List[str]:
    """Where apt's sources are."""
    try:
        argv = ["apt-get", "indextargets", "--format", "$(SITE)"]
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return []
    return sorted(set(done.stdout.decode("utf-8", "replace").split()))


def _page(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read(4 << 20).decode("utf-8", "replace"))
    except (OSError, ValueError):
        return ""


def _resolvers(path: str = "/etc/resolv.conf") -> List[str]:
    found = [row[1] for row in _rows(path) if row[0] == "nameserver" and len(row) > 1 and "%" not in row[1]]
    return ["[%s]" % one if ":" in one else one for one in found]


def _hosts(path: str = "/etc/hosts") -> Dict[str, str]:
    found: Dict[str, str] = {}
    for row in _rows(path):
        for name in row[1:]:
            found.setdefault(name.lower(), "[%s]" % row[0] if ":" in row[0] else row[0])
    return found


def _rows(path: str) -> List[List[str]]:
    try:
        with open(path, errors="replace") as file:
            rows: List[Any] = [line.partition("#")[0].split() for line in file]
    except OSError:
        return []
    return [row for row in rows if row]
