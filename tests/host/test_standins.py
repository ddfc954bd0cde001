"""The stand-ins: hosts can use them as the real things, at their real addresses."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from .conftest import MakeHost
from .lab import Gpu, Host, Lab
from .lab.shell import run
from .lab.standins import indexes

pytestmark = pytest.mark.host

CUDA = "https://developer.download.nvidia.com/compute/cuda/repos"
UV_ENV = "export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt UV_NO_PROGRESS=1;"


def uv_of_this_machine() -> str:
    """uv as installed here, to try the indexes from a host."""
    found = shutil.which("uv") or next(map(str, Path("/tmp").glob("*/bin/uv")), "")
    if not found:
        pytest.skip("no uv on this machine to put on a host")
    return found


def with_uv(host: Host) -> Host:
    """Put uv on HOST and make a virtual environment for ops."""
    host.put(uv_of_this_machine(), "/usr/local/bin/uv")
    host.ssh(f"{UV_ENV} uv venv -q --python /usr/bin/python3 v", user="ops")
    return host


@pytest.mark.parametrize("repository", ["wsl-ubuntu", "ubuntu2404"])
def test_apt_repository(lab: Lab, host: MakeHost, repository: str) -> None:
    """The keyring package, a signed update, toolkits side by side; the link moves to the newest."""
    machine = host("wsl-24.04")
    url = f"{CUDA}/{repository}/x86_64"
    machine.ssh(f"curl -fsSO {url}/cuda-keyring_1.1-1_all.deb && dpkg -i cuda-keyring*.deb")
    machine.ssh("apt-get update -o Dir::Etc::sourcelist=/dev/null", timeout=120)
    show = f"curl -fsS {url}/3bf863cc.pub | gpg --show-keys --with-colons"
    assert f":{lab.cuda_key_fingerprint}:" in machine.ssh(show).stdout
    assert lab.cuda_old_key_fingerprint != lab.cuda_key_fingerprint
    install = "DEBIAN_FRONTEND=noninteractive apt-get install -y"
    machine.ssh(f"{install} cuda-toolkit-12-8")
    link = "readlink -f /usr/local/cuda"
    assert machine.ssh(link).stdout == "/usr/local/cuda-12.8\n"
    assert "V12.8.93" in machine.ssh("/usr/local/cuda/bin/nvcc --version").stdout
    machine.ssh(f"{install} cuda-toolkit-13-0")
    assert machine.ssh(link).stdout == "/usr/local/cuda-13.0\n"
    assert "Inst nvidia-driver-575" in machine.ssh("apt-get -s install cuda").stdout
    assert " 600" in machine.ssh("apt-cache policy cuda-toolkit-12-9").stdout


def test_apt_refuses_a_wrong_key(host: MakeHost) -> None:
    """The signature is real: with the retired key the update fails."""
    machine = host("debian-12")
    url = f"{CUDA}/debian12/x86_64"
    machine.ssh(f"curl -fsS {url}/7fa2af80.pub | gpg --dearmor > /usr/share/keyrings/old.gpg")
    machine.write("/etc/apt/sources.list", f"deb [signed-by=/usr/share/keyrings/old.gpg] {url}/ /\n")
    update = machine.ssh("apt-get update", check=False)
    assert "NO_PUBKEY" in update.stdout + update.stderr


def test_pin_resolves_until_the_nightly_is_gone(lab: Lab, host: MakeHost) -> None:
    """The ordered pin, with the ordered indexes; then as upstream after the deletion."""
    machine = with_uv(host("wsl-24.04"))
    command = (
        f"{UV_ENV} uv pip install --python v --dry-run --no-cache --pre vllm==0.10.1+gptoss"
        f" --extra-index-url {lab.gptoss_index} --extra-index-url {lab.nightly_index}"
        " --index-strategy unsafe-best-match"
    )
    resolved = machine.ssh(command, user="ops").stderr
    assert "vllm==0.10.1+gptoss" in resolved
    assert "torch==2.9.0.dev20250804+cu128" in resolved
    assert "typing-extensions==4.9.0" not in resolved
    lab.drop_nightly()
    try:
        refused = machine.ssh(command, user="ops", check=False)
    finally:
        lab.restore_nightly()
    assert refused.returncode == 1
    assert "dev20250804" in refused.stderr


CLIENT = """
import openai, sys
client = openai.OpenAI(base_url="http://127.0.0.1:8000/v1", api_key=sys.argv[1])
print([model.id for model in client.models.list()])
ask = dict(model="m", messages=[{"role": "user", "content": "The capital of France?"}])
print(client.chat.completions.create(**ask).choices[0].message.content)
stream = client.chat.completions.create(**ask, stream=True)
print("".join(c.choices[0].delta.content or "" for c in stream))
"""


SERVE = "VLLM_API_KEY=secret STANDIN_START_SECONDS=0.2 setsid v/bin/vllm serve /m --served-model-name m"


def test_registry_overlay_and_server(lab: Lab, host: MakeHost) -> None:
    """The maintained release installs in seconds; its server answers the real openai package."""
    machine = with_uv(host("wsl-24.04", gpu=[Gpu()]))
    since = time.time()
    with lab.rules({lab.python_index: "overlay"}):
        machine.ssh(f"{UV_ENV} uv pip install -q --python v vllm", user="ops", timeout=300)
    assert machine.ssh("v/bin/vllm --version", user="ops").stdout == "0.33.0\n"
    told = "import torch; print(torch.__version__, torch.version.cuda, torch.cuda.is_available())"
    assert machine.ssh(["v/bin/python", "-c", told], user="ops").stdout == "2.14.0+cu130 13.0 True\n"
    asked = {request.path for request in lab.requests(since) if request.name == lab.python_index}
    assert {"/simple/vllm/", "/simple/openai/"} <= asked
    machine.write("/home/ops/client.py", CLIENT, user="ops")
    machine.ssh(f"{SERVE} >log 2>&1 </dev/null & echo $! >pid", user="ops")
    machine.ssh("for i in $(seq 100); do curl -fs 127.0.0.1:8000/health && break; sleep .1; done")
    answered = machine.ssh("v/bin/python client.py secret", user="ops").stdout.splitlines()
    assert answered[0] == "['m']"
    assert ["Paris" in line for line in answered[1:]] == [True, True]
    wrong = machine.ssh("v/bin/python client.py wrong", user="ops", check=False)
    assert "AuthenticationError" in wrong.stderr
    assert "VLLM::EngineCore" in machine.ssh("ps -eo args").stdout
    machine.ssh("pkill -TERM -f '^[^ ]*python.*[v]llm serve'; sleep 0.5", user="ops", check=False)
    assert "VLLM::EngineCore" not in machine.ssh("ps -eo args").stdout
    assert "Available KV cache memory: 3.12 GiB" in machine.read("/home/ops/log")


def test_server_refuses_what_its_version_does_not_know(tmp_path: Path) -> None:
    """With a dump of the real parser's options in the wheel, unknown ones exit 2."""
    option = {"flags": ["--port"], "kind": "StoreAction", "nargs": None, "choices": None}
    dump = tmp_path / "flags.json"
    dump.write_text(json.dumps({"options": {"port": option}}))
    files = indexes.vllm("9.9", [], dump).files
    assert json.loads(files["vllm/options.json"])["options"] == {"port": option}
    (tmp_path / "options.py").write_text(files["vllm/options.py"])
    (tmp_path / "options.json").write_text(files["vllm/options.json"])
    good = "import options; print(options.parse(['m', '--port=8001']).port)"
    assert run([sys.executable, "-c", good], cwd=tmp_path).stdout == "8001\n"
    bad = "import options; options.parse(['m', '--cpu-offload-gb', '4'])"
    refused = run([sys.executable, "-c", bad], cwd=tmp_path, check=False)
    assert refused.returncode == 2
    assert "unrecognized arguments" in refused.stderr


HUB = """
import huggingface_hub as hub, json, sys
repo, rev, where = sys.argv[1:4]
info = hub.HfApi().model_info(repo, files_metadata=True)
big = {s.rfilename: s.lfs.sha256 for s in info.siblings if s.lfs}
tree = [e.path for e in hub.HfApi().list_repo_tree(repo, revision=rev, recursive=True)]
got = hub.snapshot_download(repo, revision=rev, local_dir=where,
    ignore_patterns=["original/*", "metal/*"])
print(json.dumps({"sha": info.sha, "big": big, "tree": tree, "got": got}))
"""


def hub_script(lab: Lab, tmp_path: Path, revision: str) -> dict[str, object]:
    """Run HUB with this machine's huggingface_hub in the lab's network."""
    pytest.importorskip("huggingface_hub")
    env = {"SSL_CERT_FILE": str(lab.ca_bundle), "HF_HOME": str(tmp_path / "home")}
    where = str(tmp_path / "model")
    words = [sys.executable, "-c", HUB, lab.hf_repo, revision, where]
    told: dict[str, object] = json.loads(lab.run(words, env=env, timeout=120).stdout.splitlines()[-1])
    return told


def test_hub_with_the_real_client(lab: Lab, tmp_path: Path) -> None:
    """model_info, tree and snapshot_download of the real huggingface_hub."""
    told = hub_script(lab, tmp_path, lab.hf_revision)
    assert told["sha"] == lab.hf_revision
    files = {str(p.relative_to(tmp_path / "model")) for p in (tmp_path / "model").rglob("*")}
    assert "model-00002-of-00002.safetensors" in files
    assert "config.json" in files
    assert not {name for name in files if name.startswith(("original", "metal"))}
    assert isinstance(told["big"], dict)
    digest = told["big"]["model-00001-of-00002.safetensors"]
    data = (tmp_path / "model/model-00001-of-00002.safetensors").read_bytes()
    assert hashlib.sha256(data).hexdigest() == digest
    old = lab.hf_old_revision
    hub_script(lab, tmp_path, old)
    assert "revision 1" in (tmp_path / "model/README.md").read_text()


def test_hub_faults(lab: Lab, host: MakeHost, tmp_path: Path) -> None:
    """A cut download can be resumed with Range; a throttled one is slow."""
    machine = host()
    name = "model-00000-of-00002.safetensors"
    url = f"https://huggingface.co/{lab.hf_repo}/resolve/main/{name}"
    lab.hub.cut(name, after=400_000)
    assert machine.ssh(f"curl -fsS -o part {url}", check=False).returncode == 18
    assert machine.ssh("stat -c %s part").stdout == "400000\n"
    since = time.time()
    machine.ssh(f"curl -fsS -C - -o part {url}")
    resumed = [r for r in lab.requests(since) if r.path.endswith(name)][-1]
    assert (resumed.status, resumed.size) == (
        206,
        int(machine.ssh("stat -c %s part").stdout) - 400_000,
    )
    lab.hub.throttle(name, 500_000)
    took = float(machine.ssh(f"curl -fsS -o /dev/null -w '%{{time_total}}' {url}").stdout)
    assert 1.5 < took < 10
    lab.hub.reset()
    lab.hub.cut(name, after=300_000, times=1)
    hub_script(lab, tmp_path, lab.hf_revision)
    assert (tmp_path / "model" / name).stat().st_size == int(machine.ssh("stat -c %s part").stdout)


@pytest.mark.parametrize(
    ("rule", "status", "code"),
    [("status:503", 22, "503"), ("drop", 35, "000"), ("hang", 28, "000")],
)
def test_outages(lab: Lab, host: MakeHost, rule: str, status: int, code: str) -> None:
    """An index that answers errors, closes, or never answers; then it is well again."""
    machine = host()
    get = f"curl -fsS -m 3 -o /dev/null -w '%{{http_code}}' {lab.gptoss_index}"
    with lab.rules({"wheels.vllm.ai": rule}):
        done = machine.ssh(get, check=False)
        assert (done.returncode, done.stdout) == (status, code)
    assert machine.ssh(get).stdout == "200"


def test_new_names_and_refused_ones(lab: Lab, host: MakeHost) -> None:
    """A test can add a name of its own; without a rule nothing gets out."""
    machine = host()
    page = lab.settings.www / "mirror.invalid/index.html"
    page.parent.mkdir(exist_ok=True)
    page.write_text("mirror\n")
    lab.rule("mirror.invalid", "dir")
    assert machine.ssh("curl -fsS http://mirror.invalid/ https://mirror.invalid/").stdout == "mirror\n" * 2
    since = time.time()
    there = f"--resolve example.invalid:443:{lab.settings.gateway} https://example.invalid/"
    assert machine.ssh(f"curl -fsS {there}", check=False).returncode
    assert [(r.name, r.method) for r in lab.requests(since)] == [("example.invalid", "REFUSED")]


def test_real_registries_pass(lab: Lab, host: MakeHost) -> None:
    """apt and the Python index are the real ones, untouched by default."""
    machine = host("ubuntu-22.04")
    machine.ssh("apt-get update", timeout=180)
    assert "Candidate: (none)" not in machine.ssh("apt-cache policy python3-venv").stdout
    get = f"curl -fsS https://{lab.python_index}/simple/packaging/"
    untouched = machine.ssh(get).stdout
    with lab.rules({lab.python_index: "overlay"}):
        assert machine.ssh(get).stdout == untouched
        assert machine.ssh(get.replace("packaging", "vllm")).stdout.count("<a ") == 4
    assert "packaging-" in untouched


@pytest.mark.skipif(not os.environ.get("PIP_FIND_LINKS"), reason="no torch wheel on this machine")
def test_cpu_index(lab: Lab, host: MakeHost) -> None:
    """PyTorch's CPU index has this machine's real wheel."""
    page = host().ssh(f"curl -fsS {lab.cpu_index}torch/").stdout
    assert "%2Bcpu-cp311" in page
