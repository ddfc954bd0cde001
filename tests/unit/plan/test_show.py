"""`python -m plan show`: for programs and for people."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from deploy.command import main
from plan import show
from plan.settings import Settings
from tests.unit.machines import GALLERY
from tests.unit.recorded import REPOSITORY

# The issue's own command line.
CARD = "--vram-total-gib 12 --vram-free-gib 11 --compute-capability 8.6 --driver 581.15 --pcie 4x16 --ram-gib 32 --wsl"
RTX_3060 = ["show", "--gpu", "RTX 3060", *CARD.split(" ")]
KEYS = {
    "engine",
    "release",
    "flags",
    "env",
    "offload_gib",
    "kv_tokens",
    "memory_gib",
    "predicted_tok_s",
    "refused",
    "reasons",
}


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    """The JSON that is printed."""
    assert main([*words, "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_card_that_you_do_not_have(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, *RTX_3060)
    assert set(found) >= KEYS
    assert found["refused"] is None and found["release"] == "0.24.0"
    assert sum(found["memory_gib"].values()) <= 11.001
    assert found["env"]["VLLM_WSL2_ENABLE_PIN_MEMORY"] == "1"
    assert {reason["evidence"] for reason in found["reasons"]} <= {"measured", "read", "reported"}
    assert all(reason["text"].endswith(".") and reason["date"] for reason in found["reasons"])


def test_wishes(capsys: pytest.CaptureFixture[str]) -> None:
    plain, wished = told(capsys, *RTX_3060), told(capsys, *RTX_3060, "--users", "4", "--context", "16384")
    assert (wished["max_num_seqs"], wished["max_model_len"]) == (4, 16384)
    assert wished["kv_tokens"] >= 4 * 16384 and wished["offload_gib"] > plain["offload_gib"]


def test_refused(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["show", "--gpu", "X", "--vram-total-gib", "3", "--compute-capability", "8.6"]
    assert "GiB free" in told(capsys, *words, code=1)["refused"]
    assert main(words) == 1
    assert capsys.readouterr().out.startswith("Refused: X has 2.6 GiB free")


def test_eight_bit_cache_on_ampere(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        "kv_cache_dtype = fp8 needs compute capability 8.9"
        in told(capsys, *RTX_3060, "--kv-cache-dtype", "fp8", code=1)["refused"]
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("show --gpu X", "--gpu needs --vram-total-gib too"),
        ("show --gpu X --vram-total-gib 8", "--gpu needs --compute-capability too"),
        (
            "show --gpu X --vram-total-gib 8 --compute-capability 8.6 --users 0",
            "setting max_num_seqs = 0 cannot be used",
        ),
        (
            "show --gpu X --vram-total-gib 8 --compute-capability 8.6 --utilization 1.2",
            "it cannot use memory that the card lacks",
        ),
        (
            "show --gpu X --vram-total-gib 8 --compute-capability 8.6 --pcie fast",
            "--pcie is a generation and lanes, such as 4x16",
        ),
        ("show --gpu X --vram-total-gib 8 --compute-capability eight", "--compute-capability is a number such as 8.6"),
    ],
)
def test_bad_words(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words.split()) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("name", GALLERY)
def test_every_machine_has_a_page(name: str) -> None:
    found = show.show(GALLERY[name], Settings())
    text = show.text(found, None)
    assert (found["refused"] is None) == (not text.startswith("Refused"))
    json.dumps(found)


def test_the_bar_is_as_wide_as_the_card() -> None:
    lines = show.bar(
        {"context": 0.5, "weights": 10.0, "activations": 0.4, "graphs": 0.06, "kv": 0.5, "reserve": 0.1}, 12.0
    )
    assert lines[0] == f"[{'c' * 3}{'W' * 53}{'a' * 2}g{'K' * 3}.{'.'}] 12.0 GiB free"
    assert len(lines) == 7


def test_this_machine() -> None:
    """The real command line on the machine that the tests run on, whatever it is."""
    done = subprocess.run(
        [sys.executable, "-m", "plan", "show", "--json"], cwd=REPOSITORY, capture_output=True, text=True, timeout=60
    )
    assert done.returncode in (0, 1), done.stderr
    assert set(json.loads(done.stdout)) >= KEYS
