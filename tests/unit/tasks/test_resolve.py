"""Asking uv: the command line, its explanations in a few words, and the record of the answer."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tasks.remote import common, resolve
from tests.unit.recorded import Recording, cases, recordings

ROWS = recordings("uv", "error")
NETWORK = ("dns", "connect", "timeout", "http_503", "tls_eof", "unknown_issuer")
TORCH = "there is no version of torch==2.9.0.dev20250804+cu128"
GPTOSS = "there is no version of vllm==0.10.1+gptoss"
MISSING = {
    "no-solution-gptoss-nightly-gone": TORCH,
    "posted-gptoss-nightly-gone": TORCH,
    "no-solution-gptoss-no-index": GPTOSS,
    "no-version": "there is no version of vllm==99.0",
    "no-such-package-in-index": "httpx was not found in the package registry",
    "posted-gptoss-torchaudio-conflict": "torchaudio==2.8.0.dev20250804+cu128 and vllm==0.10.1+gptoss are incompatible",
}


def host(row: Recording) -> str:
    """The host that could not be reached, as the recording itself names it."""
    found = re.search(r"https?://([^/\s`)]+)", row.text)
    return found.group(1) if found else "its index"


@pytest.mark.parametrize("row", cases(ROWS))
def test_a_reason_is_one_short_line(row: Recording) -> None:
    words = resolve.reason(row.text)
    assert "\n" not in words and len(words) <= 200
    assert words.startswith(("does not resolve: ", "cannot be asked for: "))


@pytest.mark.parametrize("row", cases([row for row in ROWS if row.expect["error"] in NETWORK]))
def test_an_index_that_cannot_be_asked(row: Recording) -> None:
    end = "503 Service Unavailable" if row.expect["error"] == "http_503" else "does not answer"
    if row.expect["error"] == "unknown_issuer":
        assert "certificate" in resolve.reason(row.text)
    else:
        assert resolve.reason(row.text) == f"cannot be asked for: {host(row)} {end}"


@pytest.mark.parametrize("row", cases([row for row in ROWS if row.expect["error"] == "no_solution"]))
def test_what_is_missing(row: Recording) -> None:
    name = re.sub(r"-v\d+$", "", Path(row.file).stem)
    words = resolve.reason(row.text)
    assert words.startswith("does not resolve: ") and MISSING[name] in words


@pytest.mark.parametrize("row", cases([row for row in ROWS if row.expect["error"] == "no_space"]))
def test_a_full_disk_is_named(row: Recording) -> None:
    assert "No space left on device" in resolve.reason(row.text)


def candidate(name: str = "0.32.0", **fields: Any) -> dict[str, Any]:
    """A candidate as tasks/release.py sends it."""
    return {
        "name": name,
        "requirements": [f"vllm=={name}"],
        "indexes": [],
        "index_strategy": "first-index",
        "prerelease": False,
        "overrides": [],
        "python": "3.12",
        "why": "newest",
        **fields,
    }


def test_command_of_a_plain_release(tmp_path: Path) -> None:
    folder = str(tmp_path)
    assert resolve.command("/r", candidate(), folder) == [
        "/r/tools/bin/uv",
        "pip",
        "compile",
        "--quiet",
        "--no-header",
        "--format",
        "pylock.toml",
        "-o",
        f"{folder}/pylock.toml",
        "--python-version",
        "3.12",
        "--overrides",
        f"{folder}/overrides.txt",
        "--constraints",
        f"{folder}/constraints.txt",
        f"{folder}/in.txt",
    ]
    assert (tmp_path / "in.txt").read_text() == "vllm==0.32.0\n"
    assert (tmp_path / "overrides.txt").read_text() == ""


def test_command_of_the_ordered_build(tmp_path: Path) -> None:
    wanted = candidate(
        "x",
        indexes=["https://a/", "https://b"],
        index_strategy="unsafe-best-match",
        prerelease=True,
        overrides=["triton"],
        constraints=["transformers<5"],
    )
    argv = resolve.command("/r", wanted, str(tmp_path))
    assert argv[15:] == [
        "--extra-index-url",
        "https://a/",
        "--extra-index-url",
        "https://b",
        "--index-strategy",
        "unsafe-best-match",
        "--prerelease",
        "allow",
        f"{tmp_path}/in.txt",
    ]
    assert (tmp_path / "overrides.txt").read_text() == "triton ; sys_platform == 'never'\n"
    assert (tmp_path / "constraints.txt").read_text() == "transformers<5\n"


def fake_uv(root: Path, script: str) -> None:
    """A uv that answers by script; $out is where the lock goes, $in the requirements."""
    path = root / "tools" / "bin" / "uv"
    path.parent.mkdir(parents=True)
    path.write_text('#!/bin/sh\nwhile [ $# -gt 1 ]; do [ "$1" = -o ] && out=$2; shift; done; in=$1\n' + script)
    path.chmod(0o755)


GONE = 'if grep -q gptoss "$in"; then echo "error: No solution found" >&2; '
GONE += 'echo "  cause: Because there is no version of torch==2.9 and ..." >&2; exit 1; fi\n'


def test_the_first_that_resolves_is_locked_and_recorded(tmp_path: Path) -> None:
    fake_uv(tmp_path, GONE + 'echo "lock for $(cat "$in")" >"$out"\n')
    question = {
        "key": "k1",
        "find_links": "",
        "candidates": [candidate("0.10.1+gptoss"), candidate(), candidate("0.24.0")],
        "passed": ["vllm==0.19.1: too old"],
    }
    choice = resolve.choose(str(tmp_path), question)
    assert (choice["key"], choice["release"], choice["python"]) == ("k1", "0.32.0", "3.12")
    assert choice["line"] == (
        "vllm==0.32.0 on Python 3.12 ("
        "vllm==0.10.1+gptoss does not resolve: there is no version of torch==2.9; vllm==0.19.1: too old)"
    )
    assert json.loads((tmp_path / "choice.json").read_text()) == choice
    assert (tmp_path / "locks" / choice["lock"] / "pylock.toml").read_text() == "lock for vllm==0.32.0\n"


def test_the_first_candidate_needs_no_excuse(tmp_path: Path) -> None:
    fake_uv(tmp_path, 'echo lock >"$out"\n')
    choice = resolve.choose(str(tmp_path), {"key": "k", "find_links": "", "candidates": [candidate()], "passed": []})
    assert choice["line"] == "vllm==0.32.0 on Python 3.12 (newest)"


def test_none_resolves(tmp_path: Path) -> None:
    fake_uv(tmp_path, GONE + "echo 'error: dns error: failed to lookup https://pypi.lab/simple' >&2; exit 2\n")
    with pytest.raises(common.Failure) as caught:
        resolve.choose(
            str(tmp_path),
            {"key": "k", "find_links": "", "candidates": [candidate("0.10.1+gptoss"), candidate()], "passed": []},
        )
    assert str(caught.value).startswith(
        "no vLLM release could be resolved (vllm==0.10.1+gptoss does not resolve: there is no version of torch==2.9; "
        "vllm==0.32.0 cannot be asked for: pypi.lab does not answer)."
    )
    assert not (tmp_path / "choice.json").exists()


def test_an_answer_that_another_run_has_just_recorded_is_taken(tmp_path: Path) -> None:
    fake_uv(tmp_path, 'echo x >>"$0.asked"; echo lock >"$out"\n')
    question = {"key": "k", "find_links": "", "candidates": [candidate()], "passed": []}
    first = resolve.choose(str(tmp_path), question)
    assert resolve.choose(str(tmp_path), question) == first
    assert resolve.choose(str(tmp_path), {**question, "key": "other"})["key"] == "other"
    assert (tmp_path / "tools" / "bin" / "uv.asked").read_text() == "x\nx\n"


def test_same_lock_same_name(tmp_path: Path) -> None:
    fake_uv(tmp_path, 'echo lock >"$out"\n')
    found = [
        resolve.choose(str(tmp_path), {"key": key, "find_links": "", "candidates": [candidate()], "passed": []})["lock"]
        for key in ("a", "b")
    ]
    assert found[0] == found[1]


WHEEL = '{ url = "https://files.example/h11-0.16.0-py3-none-any.whl"%s, hashes = { sha256 = "63cf" } }'


@pytest.mark.parametrize(
    "told",
    [
        "",
        ", size = 37515",
        ", upload-time = 2025-04-24T03:35:24Z",
        ", upload-time = 2025-04-24T03:35:24.123456Z, size = 3",
    ],
)
def test_what_an_index_tells_at_times_makes_no_other_lock(told: str) -> None:
    """The registry's pages come with sizes and without (seen within minutes): the same files are the same release."""
    lock = '[[packages]]\nname = "h11"\nversion = "0.16.0"\nsdist = %s\nwheels = [%s]\n'
    assert resolve.lasting(lock % (WHEEL % told, WHEEL % told)) == lock % (WHEEL % "", WHEEL % "")
