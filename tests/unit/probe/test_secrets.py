"""Secrets do not leave a machine, in any notation in which programs write them; other words stay."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facts.probe.secrets import clean


@pytest.mark.parametrize(
    "said",
    [
        "Authorization: Bearer sk-abc123DEF",
        "curl -H 'authorization: bearer sk-abc123DEF' x",
        "Authorization: Token abc123DEF",
        "Authorization: Basic abc123DEF=",
        "HF_TOKEN=hf_abc123DEFghijk",
        "--api-key sk-abc123DEF --port 1",
        "--api-key abc123DEF --port 1",
        "--api-key=abc123DEF",
        "--api-key 'abc123DEF x'",
        "argv: ['vllm', 'serve', '--api-key', 'abc123DEF', '--port', '1']",
        "error: unrecognized arguments: --api-key abc123DEF",
        "--hf-token abc123DEF",
        "--api-key=-abc123DEF",
        "--api-key first abc123DEF --port 1",
        "api_keys=('first', 'abc123DEF')",
        '{"api_key": [\n  "first",\n  "abc123DEF"\n]}',
        "AccountKey=abc123DEF",
        "machine mirror.example login ops password abc123DEF",
        "nvapi-abc123DEFabc123DEF",
        "--password abc123DEF",
        "AWS_SECRET_ACCESS_KEY=abc123DEF",
        "aws_access_key_id = abc123DEF",
        "UV_INDEX_LAB_PASSWORD=abc123DEF",
        "token=abc123DEF",
        "password: abc123DEF",
        "non-default args: {'api_key': ['sk-abc123DEF'], 'port': 1}",
        "non-default args: {'api_key': ['first', 'abc123DEF'], 'port': 1}",
        "args: Namespace(api_key=['first', 'abc123DEF'], port=1)",
        "api_key=Key(value='abc123DEF')",
        "{'api_key': 'sk-abc123DEF'}",
        '{"api_key": "abc123DEF"}',
        "VLLM_API_KEY: abc123DEF",
        "api_key=abc123DEF, port=1",
        "X-Api-Key: abc123DEF",
        "Cookie: session=abc123DEF; theme=dark",
        "https://user:abc123DEF@mirror.example/simple",
        "https://user:abc/123DEFabc123@mirror.example/simple",
        "https://user@corp.example:abc123DEF@mirror.example/x",
        "https://abc123DEF@huggingface.co/x",
        "GET /x?token=abc123DEF&y=1",
        "ghp_abc123DEFabc123DEF",
        "github_pat_abc123DEFabc123DEF",
        "glpat-abc123DEFabc123DEF",
        "eyJabc123DEFabc.abc123DEF.abc123DEF",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nabc123DEF\n-----END OPENSSH PRIVATE KEY-----",
    ],
)
def test_secrets_do_not_leave_the_machine(said: str) -> None:
    told = clean("before " + said + "\nafter")
    assert "abc123" not in told and "123DEF" not in told and "***" in told
    assert told.startswith("before ") and told.endswith("after")


@pytest.mark.parametrize(
    "said",
    [
        "the API key is compared; api_key is not set; bearer of news; hf_hub 1.0",
        "require_api_key = True",
        "api_key=None, hf_token=None, port=8000",
        "Avg generation throughput: 20.1 tokens/s, Running: 1 reqs, max_num_batched_tokens=8192",
        "tokenizer='openai/gpt-oss-20b', tokenizer_mode=auto, skip_tokenizer_init=False",
        "PWD=/home/ops and hf_raise_for_status(response)",
        "Token: 3, Unexpected token",
        "pad_token=0, eos_token: 200002, 'bos_token': 199998",
        "KeyError: 'model.layers.0.mlp.experts.w13_weight'",
        "EngineCore_DP0 pid=12 exited; token_id 5 is out of the vocabulary",
        "git+https://github.com/vllm-project/vllm@v0.11.0",
        "https://huggingface.co/openai/gpt-oss-20b/resolve/main/model.safetensors not found",
        "mail ops@lab.example about http://127.0.0.1:8000/v1",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
    ],
)
def test_other_words_stay(said: str) -> None:
    assert clean(said) == said


@given(st.text(max_size=200))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@pytest.mark.parametrize(
    "piece", ["a_", "token", "api-key-", "https://a@", "://", "secret: [", "-", "x" * 50, "--token ", "eyJaaaaaaaa.a."]
)
def test_a_long_log_is_no_trap(piece: str) -> None:
    """Of the worst pieces four times as many take about four times as long, not sixteen times."""
    short, long = (_seconds((piece * count)[:count]) for count in (50_000, 200_000))
    assert long < 10 * short + 0.1


def _seconds(text: str) -> float:
    began = time.process_time()
    clean(text)
    return time.process_time() - began
