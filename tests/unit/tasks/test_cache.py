"""A cache with real nginx on this machine: what it keeps, whom it asks, where links lead."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from plan import cache as planned
from plan.place import Place
from plan.settings import Settings
from tasks.remote import cache, lan
from tests.unit.tasks import answering, remote
from tests.unit.tasks.endpoints import NGINX, free_port

pytestmark = pytest.mark.skipif(not NGINX.exists(), reason="nginx is not installed here")
COMMIT = "a" * 40
WEIGHTS = os.urandom(3 << 20)
Headers = dict[str, str]


class World:
    """An index with wheels, and a hub whose files lie elsewhere, behind signatures that change."""

    def __init__(self, name: str) -> None:
        self.asked: Counter[str] = Counter()
        self.headers: list[Headers] = []
        self.signature = 0
        self.http = answering.serve(self.answer)
        self.site = f"http://{name}:{self.http.server_address[1]}"

    def answer(self, request: Any) -> None:
        """A page, a file, or the way to one."""
        self.asked[request.path.partition("?")[0]] += 1
        self.headers.append(dict(request.headers.items()))
        if request.path == "/simple/a/":
            page = f'<a href="{self.site}/files/a%2Bb-1-py3-none-any.whl#sha256=1">a</a> <a href="/files/c-1-py3-none-any.whl">c</a>'
            return self.send(request, 200, page.encode(), {"Content-Type": "text/html"})
        if "/resolve/" in request.path:
            self.signature += 1
            where = f"{self.site}/cdn/{'b' * 64}?signature={self.signature}"
            return self.send(request, 302, b"", {"Location": where, "X-Repo-Commit": COMMIT, "X-Linked-Etag": '"b"'})
        if request.path.startswith(("/cdn/", "/files/")):
            time.sleep(0.3)
            return self.part(request)
        return self.send(request, 404, b"no", {})

    def part(self, request: Any) -> None:
        """WEIGHTS, or the range of it that is asked for."""
        first, _, last = request.headers.get("Range", "bytes=0-").partition("=")[2].partition("-")
        data = WEIGHTS[int(first) : int(last or len(WEIGHTS)) + 1]
        if "Range" not in request.headers:
            return self.send(request, 200, WEIGHTS, {"ETag": '"w"'})
        told = {"Content-Range": f"bytes {first}-{int(first) + len(data) - 1}/{len(WEIGHTS)}", "ETag": '"w"'}
        return self.send(request, 206, data, told)

    @staticmethod
    def send(request: Any, status: int, body: bytes, headers: Headers) -> None:
        """A whole answer."""
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)


class Straight(urllib.request.HTTPRedirectHandler):
    """Does not follow."""

    def redirect_request(self, *_: Any) -> None: ...


class Kept:
    """The cache in front of it, started as its unit starts it."""

    def __init__(self, folder: Path, name: str = "127.0.0.1", within: Sequence[str] = ()) -> None:
        self.world, self.port = World(name), free_port()
        self.root = folder / "root"
        place = Place(root=str(self.root), home=str(folder), uid=os.geteuid())
        for text in planned.files(place, Settings(hf_endpoint=self.world.site), self.port):
            Path(text.path).parent.mkdir(parents=True, exist_ok=True)
            Path(text.path).write_text(text.content)
        remote.install(self.root)
        words = [*within, sys.executable, str(self.root / "lib/helper.pyz"), "cache", str(self.root)]
        self.process = subprocess.Popen(words, env={**os.environ, "HOME": str(folder)}, stderr=subprocess.DEVNULL)
        done = remote.run(self.root, "cache-wait", str(self.root), "30")
        assert done.returncode == 0, done.stderr
        self.base = f"http://127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        """A path of the world as the cache is asked for it."""
        return f"{self.base}/{self.world.site.replace('://', '/')}{path}"

    def get(self, url: str, method: str = "GET", **headers: str) -> tuple[int, bytes, Headers]:
        """(status, body, headers); redirects are not followed."""
        request = urllib.request.Request(url, method=method, headers=headers)
        try:
            with urllib.request.build_opener(Straight).open(request, timeout=20) as answer:
                return answer.status, answer.read(), dict(answer.headers.items())
        except urllib.error.HTTPError as error:
            return error.code, error.read(), dict(error.headers.items())


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    made = Kept(tmp_path_factory.mktemp("cache"))
    yield made
    made.process.terminate()
    made.process.wait()


@pytest.fixture
def kept(shared: Kept) -> Kept:
    """Nothing asked yet."""
    shared.world.asked.clear()
    shared.world.headers.clear()
    return shared


def test_sixteen_at_once_are_one_download(kept: Kept) -> None:
    url = kept.url("/files/many-1-py3-none-any.whl")
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: kept.get(url), range(16)))
    assert {(status, hashlib.sha256(body).digest()) for status, body, _ in found} == {
        (200, hashlib.sha256(WEIGHTS).digest())
    }
    assert kept.world.asked["/files/many-1-py3-none-any.whl"] == 1


def test_a_part_is_had_and_the_rest_is_not_asked_again(kept: Kept) -> None:
    url = kept.url("/files/part-1-py3-none-any.whl")
    status, body, _ = kept.get(url, Range="bytes=1000-1999")
    assert (status, body) == (206, WEIGHTS[1000:2000])
    assert kept.get(url)[1] == WEIGHTS and kept.world.asked["/files/part-1-py3-none-any.whl"] == 1


def test_a_file_is_asked_for_as_the_client_wrote_it(kept: Kept) -> None:
    kept.get(kept.url("/files/a%2Bb-2-py3-none-any.whl"))
    kept.get(kept.url("/files/a+b-2-py3-none-any.whl"))
    assert kept.world.asked == {"/files/a%2Bb-2-py3-none-any.whl": 1, "/files/a+b-2-py3-none-any.whl": 1}


def test_links_of_an_index_lead_through_the_cache(kept: Kept) -> None:
    here = "/" + kept.world.site.replace("://", "/")
    text = kept.get(kept.url("/simple/a/"))[1].decode()
    assert f'href="{here}/files/a%2Bb-1-py3-none-any.whl#sha256=1"' in text and f'href="{here}/files/c-1-' in text


def test_a_hub_s_file_behind_a_signature_is_downloaded_once(kept: Kept) -> None:
    """A redirect keeps its headers and leads through the cache; the file is the same whatever the signature."""
    status, _, headers = kept.get(kept.url(f"/o/m/resolve/{COMMIT}/model.safetensors"), "HEAD")
    assert status == 302 and headers["X-Repo-Commit"] == COMMIT and headers["X-Linked-Etag"] == '"b"'
    assert headers["Location"].startswith(kept.url("/cdn/"))
    assert kept.get(headers["Location"])[1] == WEIGHTS
    assert kept.get(headers["Location"].replace("signature=", "signature=9"))[1] == WEIGHTS
    assert kept.world.asked["/cdn/" + "b" * 64] == 1


def test_no_secret_of_a_client_goes_on(kept: Kept) -> None:
    kept.get(kept.url("/files/secret-1-py3-none-any.whl"), Authorization="Bearer hf_x", Cookie="a=b")
    kept.get(kept.url("/simple/secret/"), Authorization="Bearer hf_x", Cookie="a=b")
    assert len(kept.world.headers) == 2
    assert not [one for one in kept.world.headers if {"Authorization", "Cookie"} & set(one)]


@pytest.mark.parametrize("path", ["/files/poison-1-py3-none-any.whl", "/simple/a/"])
def test_what_a_client_says_is_not_passed_on(kept: Kept, path: str) -> None:
    """A site that answers by such a header would give the next one what this one asked for."""
    said = {"X-Forwarded-Host": "evil.example", "X-Original-URL": "/evil", "X-Custom": "1", "If-None-Match": '"x"'}
    assert kept.get(kept.url(path), Accept="text/new", **said)[0] == 200
    (told,) = kept.world.headers
    allowed = {"Host", "User-Agent", "Range", "Accept"}
    assert set(told) <= allowed and told["User-Agent"] == "vllm-workstation", told


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a /etc/hosts of its own")
def test_names_that_are_told_later_are_known_then(tmp_path: Path) -> None:
    """At boot nobody may tell them yet."""
    hosts, name = tmp_path / "hosts", "later.test"
    hosts.write_text("127.0.0.1 localhost\n")
    mounted = ["unshare", "-m", "sh", "-c", f'mount --bind {hosts} /etc/hosts && exec "$@"', "sh"]
    kept = Kept(tmp_path, name, mounted)
    try:
        assert kept.get(kept.url("/simple/a/"))[0] in (502, 504)
        hosts.write_text(f"127.0.0.1 localhost {name}\n")
        end = time.monotonic() + 15
        while (status := kept.get(kept.url("/simple/a/"))[0]) != 200 and time.monotonic() < end:
            time.sleep(0.3)
        assert status == 200
    finally:
        kept.process.terminate()
        assert kept.process.wait(10) == 0
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(kept.base, timeout=2)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/https/example.com/a.whl", 403),
        ("/http/127.0.0.1:1/a.whl", 403),
        ("/http/169.254.169.254/latest/", 403),
        ("/https/huggingface.co@127.0.0.1/a.whl", 403),
        ("/https/evilhf.co/a.whl", 403),
        ("/ftp/example.com/a", 404),
        ("/", 404),
        ("/state/sites.conf", 404),
        ("/cache.json/../sites.json", 404),
    ],
)
def test_it_is_no_open_proxy(kept: Kept, path: str, status: int) -> None:
    assert kept.get(kept.base + path)[0] == status


def test_nothing_is_sent_to_a_site(kept: Kept) -> None:
    assert kept.get(kept.url("/simple/a/"), "DELETE")[0] == 405
    assert not kept.world.asked


def test_it_tells_clients_what_it_fetches(kept: Kept) -> None:
    found, why = lan.find(f"127.0.0.1:{kept.port}")
    assert found is not None and why == ""
    assert found.to(f"{kept.world.site}/x") == kept.url("/x") and found.back(kept.url("/x")) == f"{kept.world.site}/x"
    assert json.loads((kept.root / "cache-server/state/running.json").read_text())["pid"] == kept.process.pid


def test_names_of_etc_hosts_are_known_to_nginx() -> None:
    text = cache.backends(
        ["https://a.lab", "http://b.lab:81"], ["hf.co"], {"a.lab": "10.0.0.9"}, ["10.0.0.1", "[fe80::1]"]
    )
    assert "resolver 10.0.0.1 [fe80::1] ipv6=off;" in text
    assert "upstream kept_0 { server 10.0.0.9:443; keepalive 16; }" in text
    assert '"https://a.lab" "kept_0";' in text and '"http://b.lab:81" "b.lab:81";' in text
