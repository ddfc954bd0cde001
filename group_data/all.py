"""Every setting with its default. Change it here, per group in group_data/<group>.py, per host in inventory.py, or with --data key=value."""

import os

# --- what serves
engine = "auto"  # auto | cuda | cpu: cpu serves a small model that is not gpt-oss-20b
vllm_release = "auto"  # auto | gptoss (the ordered 0.10.1+gptoss or an error) | a version such as "0.32.0"
model = "auto"  # auto (openai/gpt-oss-20b) | another repository | a local directory such as "/data/gpt-oss-20b"
model_revision = "auto"  # auto (pinned) | a 40-digit commit id
hf_endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")  # where models come from; a mirror works
find_links = (
    os.environ.get("UV_FIND_LINKS") or os.environ.get("PIP_FIND_LINKS") or ""
)  # folder or URL with wheels, used beside the indexes
cache = ""  # the machine that keeps downloads for all, HOST or HOST:PORT (deploy/cache.py)
cache_gib = 200  # what it keeps at most, on its own disk; what was not asked for longest goes first
wheelhouse = ""  # a folder on the cache for labs without internet: deploy/wheelhouse.py fills it, deploy/cache.py serves it
root = "~/.local/share/vllm-workstation"  # everything of ours on the target

# --- CUDA toolkit (for people; the server brings its own libraries)
cuda_version = "auto"  # auto (matches vLLM's PyTorch) | none | a quoted version such as "12.8"
cuda_repository = (
    "https://developer.download.nvidia.com/compute/cuda/repos"  # NVIDIA's repositories or a mirror of them
)
cuda_key_fingerprint = "auto"  # auto (NVIDIA's) | 40 hexadecimal digits, where a mirror signs with its own key
remove_wsl_driver = False  # True removes Linux NVIDIA drivers from inside WSL; False only reports them
exports = True  # PATH and LD_LIBRARY_PATH of the toolkit for login and interactive shells

# --- serving: "auto" is planned for the machine
host = "127.0.0.1"  # address to listen on
port = 8000  # port to listen on
require_api_key = True  # clients need the key in <root>/service/api-key
served_model_name = "auto"  # the name that clients ask for
gpu_memory_utilization = "auto"  # share of the card's memory, at most 1.0
max_model_len = "auto"  # context in tokens
max_num_seqs = "auto"  # requests at once
max_num_batched_tokens = "auto"  # tokens in one step
kv_cache_dtype = "auto"  # auto (bfloat16) | fp8: half the KV cache, from compute capability 8.9 on
plugin = "auto"  # auto (our vLLM plugin, on releases that it was proven on) | off
async_scheduling = "auto"  # True | False: overlap scheduling with the GPU's work
reasoning_effort = "auto"  # low | medium | high: for clients that name none (gpt-oss only)
start_timeout = 1800  # seconds until a start that has not answered counts as failed

# --- one endpoint for a lab (deploy/gateway.py)
role = "workstation"  # workstation | gateway | both | other: other machines of the inventory are left alone
door_port = 8444  # where the gateway reaches a workstation
door_address = ""  # a workstation's address as the gateway knows it; empty: where ssh reaches it
gateway_port = 8443  # where clients ask
gateway_address = ""  # address to listen on; empty: all
gateway_names = ""  # further names and addresses that clients use, for the certificate that is made
gateway_certificate = ""  # a certificate of your own (PEM, on the gateway); empty: one is made
gateway_certificate_key = ""  # and its key

# --- many machines: the same on all of them
canary = 0  # so many hosts, or those of a group, are changed first; where one fails no other is begun
wave = 0  # then so many at a time; 0: all
max_failed = 0.34  # no other wave is begun where more than this share of one failed
connect_wait = 0  # seconds to go on trying a host that cannot be reached

# --- what is said
report = ""  # a folder on this computer for run.json (full, repair) or report.json and report.html (doctor); a name in .json: only that file
redact = False  # True replaces home, user and host names and addresses in what the doctor tells
thorough = False  # True lets the doctor read every library and weight whole (minutes)
