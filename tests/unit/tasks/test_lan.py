"""A client of a lab's cache: what goes through it, and what happens where it does not do."""

from __future__ import annotations

import io
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.remote import aptcache, common, lan, wheels
from tests.unit.tasks import answering

LAN = lan.Lan("http://10.0.0.5:8420", ["https://index.lab", "https://files.lab:8443", "http://debs.lab"], ["hf.co"])
LOCK = """lock-version = "1.0"

[[packages]]
name = "a"
version = "1"
wheels = [{ url = "https://index.lab/a/a-1-cp311.whl", hashes = { sha256 = "0" } }, { url = "https://index.lab/b/a-1-cp312.whl" }]

[[packages]]
name = "own"
version = "2"
archive = { path = "own-2.whl" }
"""


@pytest.mark.parametrize(
    ("url", "through"),
    [
        ("https://index.lab", "http://10.0.0.5:8420/https/index.lab"),
        ("https://index.lab/simple/?a=b", "http://10.0.0.5:8420/https/index.lab/simple/?a=b"),
        ("https://files.lab:8443/x", "http://10.0.0.5:8420/https/files.lab:8443/x"),
        ("http://debs.lab/debian x", "http://10.0.0.5:8420/http/debs.lab/debian x"),
        ("https://cdn-1.hf.co/x", "http://10.0.0.5:8420/https/cdn-1.hf.co/x"),
        ("http://index.lab/", None),
        ("https://index.lab.example/", None),
        ("https://evilhf.co/", None),
        ("https://me:secret@index.lab/simple", None),
        ("https://files.lab/x", None),
        ("/a/folder", None),
    ],
)
def test_what_goes_through(url: str, through: str | None) -> None:
    assert LAN.to(url) == (through or url)
    assert LAN.back(LAN.to(url)) == url


@given(st.text())
def test_there_and_back(text: str) -> None:
    assert LAN.back(LAN.to(text)) == text


def test_a_lock_keeps_the_names_of_its_indexes() -> None:
    """uv keeps a download by them: one that came through the cache is found without it, and the other way round."""
    kept = wheels.kept(LOCK)
    assert kept.count("index = ") == 1 and 'index = "https://index.lab/a/"' in kept
    assert wheels.kept(kept) == kept
    through = LAN.files(kept)
    assert (
        'index = "https://index.lab/a/"' in through
        and 'url = "http://10.0.0.5:8420/https/index.lab/b/a-1-cp312.whl"' in through
    )


def test_uv_and_pip_are_led_there() -> None:
    given_ = {
        "UV_FIND_LINKS": "https://index.lab/wheels",
        "NO_PROXY": "x",
        "UV_INDEX_URL": "https://index.lab/simple",
        "HOME": "/root",
    }
    env = LAN.environment(given_, uv="https://index.lab/simple", pip="https://elsewhere.lab/simple")
    assert env["UV_DEFAULT_INDEX"] == "http://10.0.0.5:8420/https/index.lab/simple" and "UV_INDEX_URL" not in env
    assert env["UV_FIND_LINKS"] == "http://10.0.0.5:8420/https/index.lab/wheels" and "PIP_INDEX_URL" not in env
    assert env["NO_PROXY"] == env["no_proxy"] == "x,10.0.0.5"


def test_without_an_answer_it_goes_straight(capsys: pytest.CaptureFixture[str]) -> None:
    assert lan.attempt("127.0.0.1:9", lambda found: found, (common.Failure,)) is None
    assert "the cache 127.0.0.1:9 does not answer" in capsys.readouterr().err
    assert lan.attempt("", lambda found: found, (common.Failure,)) is None
    assert capsys.readouterr().err == ""


def test_what_fails_through_the_cache_is_tried_without(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lan, "find", lambda cache: (LAN, ""))
    seen = []

    def work(found: lan.Lan | None) -> str:
        seen.append(found)
        if found:
            raise common.Failure("hash mismatch")
        return "done"

    assert lan.attempt("10.0.0.5:8420", work, (common.Failure,)) == "done" and seen == [LAN, None]
    assert "not through the cache 10.0.0.5:8420: hash mismatch: straight from the internet\n" in capsys.readouterr().err


APT = r"""#!/usr/bin/python3
import sys
name = sys.argv[0].rpartition("/")[2]
print("100 Capabilities\nVersion: 1.2\n", flush=True)
lines = []
for line in sys.stdin:
    if line.strip():
        lines.append(line.strip())
        continue
    if lines[0].startswith("600"):
        uri = next(one for one in lines if one.startswith("URI: "))[5:]
        if "10.0.0.5" in uri and "gone" in uri:
            print("400 URI Failure\nURI: %s\nMessage: 404\n" % uri, flush=True)
        elif "10.0.0.5" in uri and "dies" in uri:
            sys.exit(1)
        else:
            print("201 URI Done\nURI: %s\nVia: %s %s\n" % (uri, name, "cache" if "10.0.0.5" in uri else "straight"), flush=True)
    else:
        print("102 Status\nMessage: %s\n" % " ".join(lines), flush=True)
    lines = []
"""


def told(folder: Path, monkeypatch: pytest.MonkeyPatch, *urls: str) -> str:
    """What apt hears when it asks its method for these."""
    for name in ("http", "https"):
        (folder / name).write_text(APT)
        (folder / name).chmod(0o755)
    monkeypatch.setattr(aptcache, "METHODS", str(folder))
    monkeypatch.setattr("signal.signal", lambda *_: None)
    out = io.BytesIO()
    made = aptcache.Method("https", LAN, out)
    asked = "601 Configuration\nConfig-Item: Acquire::http::Proxy=http://proxy\nConfig-Item: A=b\n\n"
    asked += "".join(f"600 URI Acquire\nURI: {url}\nFilename: /tmp/x\n\n" for url in urls)
    runner = threading.Thread(target=made.run, args=(io.BytesIO(asked.encode()),), daemon=True)
    runner.start()
    runner.join(20)
    assert not runner.is_alive()
    return out.getvalue().decode()


def test_apt_hears_the_names_it_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = told(
        tmp_path, monkeypatch, "https://index.lab/a.deb", "https://other.lab/b.deb", "https://index.lab/gone.deb"
    )
    assert text.count("100 Capabilities") == 1
    assert "URI: https://index.lab/a.deb\nVia: http cache" in text
    assert "URI: https://other.lab/b.deb\nVia: https straight" in text
    assert (
        "URI: https://index.lab/gone.deb\nVia: https straight" in text and "400" not in text and "10.0.0.5" not in text
    )
    assert "Message: 601 Configuration Config-Item: A=b\n" in text  # a site's proxy is not asked for what is near


def test_apt_gets_what_a_method_that_died_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = told(tmp_path, monkeypatch, "https://index.lab/dies.deb")
    assert "URI: https://index.lab/dies.deb\nVia: https straight" in text


@pytest.mark.parametrize("more", [[], ["old"]])
def test_only_the_labs_settings_let_old_lists_count(more: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that says it has no internet could else bring back an old list, with packages that have holes."""
    monkeypatch.setattr(lan, "find", lambda _: (LAN, ""))
    monkeypatch.setattr(aptcache, "METHODS", str(tmp_path / "none"))
    (tmp_path / "none").mkdir()
    monkeypatch.setattr(sys.modules["__main__"], "S", {"act.lan": "", "act.aptcache": ""}, raising=False)
    aptcache.main([str(tmp_path / "ours"), "10.0.0.5:8420", *more])
    assert ("Check-Valid-Until" in (tmp_path / "ours" / "apt.conf").read_text()) == bool(more)


def test_a_cache_that_is_busy_is_not_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen ask it at once; the answer may take longer than a connection."""
    monkeypatch.setattr(lan, "SECONDS", 0.2)

    def answer(request: Any) -> None:
        time.sleep(0.6)
        text = b'{"sites": ["https://index.lab"], "below": []}' if request.path == "/cache.json" else b"{}"
        request.send_response(200)
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)

    cache = answering.serve(answer)
    found, why = lan.find(f"127.0.0.1:{cache.server_port}")
    cache.shutdown()
    assert found is not None and found.has("https", "index.lab") and why == ""


def test_a_cache_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    for cache in ("127.0.0.1:9", "no-such-machine.invalid:8420"):
        found, why = lan.find(cache)
        assert found is None and why.startswith(f"the cache {cache} does not answer (")


@pytest.mark.parametrize(("env", "told"), [({}, "kept"), ({"NO_PROXY": "hub.lab"}, "hub.lab,kept"), ({"no_proxy": "a", "NO_PROXY": "b"}, "a,kept")])
def test_a_sites_exceptions_from_its_proxy_stay(env: dict[str, str], told: str) -> None:
    """A small no_proxy beside a large one would hide what that says."""
    assert lan.near(env, "kept") == {"no_proxy": told, "NO_PROXY": told}
