"""Example reports: what a doctor may tell of single machines, and labs of them."""

from __future__ import annotations

from plan.report import (
    EXIT,
    Advice,
    Answer,
    Card,
    Diagnosis,
    Drift,
    HostReport,
    Memory,
    Part,
    Report,
    Vulnerability,
    Words,
)

AT = "2026-11-23T07:52:10Z"
BEFORE = "2026-11-20T18:03:00Z"
MODEL = "openai/gpt-oss-20b"
PARIS = Answer(text="The capital of France is Paris.", at=AT, seconds=0.41, tokens=312, tok_s=33.4)

PORT = Diagnosis(
    code="PORT",
    severity="error",
    actor="person",
    evidence="127.0.0.1:8000 is held by pid 4711 (python3 -m http.server 8000) of user alice since 2026-11-22 09:14",
    cause=Words(en="Another program listens on the port of the server.", zh="另一個程式佔用了伺服器的連接埠。"),
    fix=Words(
        en="Stop it (kill 4711), or set port to a free one.",
        zh="停止該程式（kill 4711），或將 port 設定為未使用的連接埠。",
    ),
    risk=Words(en="What pid 4711 serves ends.", zh="pid 4711 提供的服務會中斷。"),
)
NVJITLINK = Diagnosis(
    code="NVJITLINK",
    severity="error",
    actor="rerun",
    evidence="ImportError: /home/you/vllm/releases/0.24.0-9f31c2/lib/python3.12/site-packages/torch/lib/../../nvidia/cusparse/lib/libcusparse.so.12: "
    "undefined symbol: __nvJitLinkComplete_12_4, version libnvJitLink.so.12",
    cause=Words(
        en="LD_LIBRARY_PATH of the unit names /usr/local/cuda-12.1/lib64, whose libnvJitLink.so.12 is older than what cuSPARSE was built for.",
        zh="服務單元的 LD_LIBRARY_PATH 指向 /usr/local/cuda-12.1/lib64，其中的 libnvJitLink.so.12 比 cuSPARSE 建置時所用的版本舊。",
    ),
    fix=Words(
        en="Run deploy/full.py again: it takes the line out of the unit.",
        zh="重新執行 deploy/full.py：它會從服務單元移除這一行。",
    ),
    risk=Words(en="None: the server does not run now.", zh="無：伺服器目前沒有執行。"),
    also=2,
)
UNIT = Diagnosis(
    code="UNIT",
    severity="warning",
    actor="rerun",
    evidence="~/.config/systemd/user/vllm-workstation.service was edited: line 14 is 'Restart=no', planned 'Restart=on-failure'",
    cause=Words(en="Somebody edited the unit.", zh="有人編輯了服務單元。"),
    fix=Words(en="Run deploy/full.py again.", zh="重新執行 deploy/full.py。"),
    risk=Words(en="The server is restarted, about 40 s.", zh="伺服器會重新啟動，約 40 秒。"),
)
DISK = Diagnosis(
    code="DISK",
    severity="warning",
    actor="person",
    evidence="/home: 1.2 of 238 GiB free",
    cause=Words(en="The file system is nearly full.", zh="檔案系統幾乎已滿。"),
    fix=Words(en="Free 20 GiB before the next release.", zh="在安裝下一個發行版之前釋出 20 GiB。"),
    risk=Words(en="None.", zh="無。"),
)
SSH = Diagnosis(
    code="SSH",
    severity="error",
    actor="person",
    evidence="ssh: connect to host pc-31 port 22: No route to host",
    cause=Words(en="The machine is off or not in the network.", zh="機器已關機，或不在網路上。"),
    fix=Words(en="Switch it on; in WSL start sshd.", zh="將機器開機；若為 WSL，請啟動 sshd。"),
    risk=Words(en="None.", zh="無。"),
)
VRAM = Diagnosis(
    code="VRAM",
    severity="error",
    actor="person",
    evidence="RTX 3070 with 7.0 of 8.0 GiB free; 7.2 GiB are the least with all experts in host memory",
    cause=Words(en="The card has too little free memory for the model.", zh="顯示卡的可用記憶體不足以執行此模型。"),
    fix=Words(
        en="Close what uses the card: 0.2 GiB more are enough.", zh="關閉使用顯示卡的程式：再釋出 0.2 GiB 就足夠。"
    ),
    risk=Words(en="Unsaved work in programs that are closed.", zh="被關閉的程式中未儲存的工作會遺失。"),
)
HOLE = Vulnerability(
    id="CVE-2026-34756",
    severity="medium",
    text=Words(
        en="one request for a huge number of answers (`n`) stops the server",
        zh="一個要求極多回答（`n`）的請求會使伺服器停止",
    ),
    applies=Words(en="others reach the port and have the key, or there is none", zh="其他人能連到連接埠並持有金鑰時"),
    fixed="0.19.0",
)
KEPT = Vulnerability(
    id="GHSA-wr9h-g72x-mwhm",
    severity="high",
    text=Words(
        en="the API key is compared in a time that tells how much of it was right",
        zh="比對金鑰所花的時間會透露猜對了多少",
    ),
    applies=Words(en="the API key is relied on and others reach the port", zh="依賴 API 金鑰且其他人能連到連接埠時"),
    compensated=Words(en="the port is bound to 127.0.0.1", zh="連接埠只綁定 127.0.0.1"),
)
PLAN_12 = Memory(
    free_gib=11.0,
    parts=[
        Part(name="context", gib=0.8),
        Part(name="weights", gib=8.882),
        Part(name="activations", gib=0.417),
        Part(name="graphs", gib=0.047),
        Part(name="kv", gib=0.454),
        Part(name="reserve", gib=0.4),
        Part(name="offloaded", gib=4.789, where="host"),
    ],
    max_model_len=18432,
    max_num_seqs=8,
    kv_tokens=18642,
    predicted_tok_s=32.6,
)
PLAN_24 = Memory(
    free_gib=23.1,
    parts=[
        Part(name="context", gib=0.5),
        Part(name="weights", gib=12.84),
        Part(name="activations", gib=0.9),
        Part(name="graphs", gib=0.2),
        Part(name="kv", gib=7.9),
        Part(name="reserve", gib=0.25),
    ],
    max_model_len=131072,
    max_num_seqs=16,
    kv_tokens=330000,
    predicted_tok_s=181.0,
)
PLAN_8 = Memory(
    free_gib=7.0,
    parts=[
        Part(name="context", gib=0.8),
        Part(name="weights", gib=5.1),
        Part(name="activations", gib=0.4),
        Part(name="kv", gib=0.45),
        Part(name="reserve", gib=0.45),
        Part(name="offloaded", gib=8.6, where="host"),
    ],
)
WINDOWS = Advice(
    code="WSL-IDLE",
    text=Words(
        en="Windows stops WSL some seconds after its last window closes: set vmIdleTimeout=-1 in .wslconfig.",
        zh="最後一個視窗關閉數秒後，Windows 會停止 WSL：請在 .wslconfig 設定 vmIdleTimeout=-1。",
    ),
)


def wsl_12(name: str = "pc-01") -> HostReport:
    """Serves from 12 GB in WSL, with a part of the weights in host memory."""
    return HostReport(
        name=name,
        state="healthy",
        system="Ubuntu 24.04 in WSL 2",
        card=Card(
            name="NVIDIA GeForce RTX 3060", total_gib=12.0, free_gib=0.4, driver="581.15", compute_capability="8.6"
        ),
        engine="cuda",
        release="0.24.0",
        model=MODEL,
        url="http://127.0.0.1:8000/v1",
        answer=PARIS,
        memory=PLAN_12,
        vulnerabilities=[KEPT],
        advice=[WINDOWS],
        drift=Drift(since=BEFORE),
    )


def native_24(name: str = "pc-02") -> HostReport:
    """Serves from 24 GB with everything on the card."""
    return HostReport(
        name=name,
        state="healthy",
        system="Ubuntu 22.04",
        card=Card(
            name="NVIDIA GeForce RTX 4090", total_gib=23.99, free_gib=1.3, driver="580.95.05", compute_capability="8.9"
        ),
        engine="cuda",
        release="0.32.0",
        model=MODEL,
        url="http://127.0.0.1:8000/v1",
        answer=PARIS.model_copy(update={"tok_s": 178.2, "seconds": 1.75}),
        memory=PLAN_24,
    )


def port_taken(name: str = "pc-03") -> HostReport:
    """PORT first, more under it; came and went since the last report."""
    return wsl_12(name).model_copy(
        update={
            "state": "person",
            "primary": PORT,
            "others": [UNIT, DISK],
            "answer": None,
            "changes": [
                Words(
                    en="Write the unit vllm-workstation.service again.",
                    zh="重新寫入服務單元 vllm-workstation.service。",
                ),
                Words(en="Restart the server, about 40 s.", zh="重新啟動伺服器，約 40 秒。"),
            ],
            "drift": Drift(since=BEFORE, new=["PORT", "UNIT"], gone=["STOPPED"]),
        }
    )


def jitlink(name: str = "pc-04") -> HostReport:
    """Its start fails by an older nvJitLink."""
    return native_24(name).model_copy(update={"state": "rerun", "primary": NVJITLINK, "answer": None})


def unreachable(name: str = "pc-31") -> HostReport:
    """Nothing is known but that ssh does not reach it."""
    return HostReport(name=name, state="unreachable", primary=SSH)


def refused(name: str = "pc-08") -> HostReport:
    """Too little free on the card: the least plan takes more than there is."""
    card = Card(name="NVIDIA GeForce RTX 3070", total_gib=8.0, free_gib=7.0, driver="581.15", compute_capability="8.6")
    return HostReport(name=name, state="person", primary=VRAM, system="Debian 12", card=card, memory=PLAN_8)


def exposed(name: str = "pc-05") -> HostReport:
    """Serves, with holes that nothing compensates for."""
    holes = [KEPT, HOLE, HOLE.model_copy(update={"id": "X41-2026-002", "severity": "critical", "fixed": None})]
    return native_24(name).model_copy(update={"release": "0.10.1+gptoss", "vulnerabilities": holes})


def no_gpu(name: str = "pc-09") -> HostReport:
    """The processor serves the small model."""
    return HostReport(
        name=name,
        state="healthy",
        system="Debian 13",
        engine="cpu",
        release="0.24.0",
        model="HuggingFaceTB/SmolLM2-135M-Instruct",
        url="http://127.0.0.1:8000/v1",
        answer=Answer(text="Paris"),
    )


EXAMPLES = (wsl_12, native_24, port_taken, jitlink, unreachable, refused, exposed, no_gpu)
LIKELY = (wsl_12, native_24, wsl_12, native_24, wsl_12, no_gpu, exposed)  # what most machines of a lab are


def report(*hosts: HostReport) -> Report:
    """A lab of these."""
    worst = max((EXIT[host.state] for host in hosts), default=0)
    return Report.model_validate(
        {"made_at": AT, "tool": "vllm-workstation 0.1.0", "exit": worst, "hosts": [host.model_dump() for host in hosts]}
    )


def lab(size: int = 50) -> Report:
    """A lab of `size`: each example once, then mostly healthy ones."""
    made = [example(f"pc-{index:02}") for index, example in enumerate(EXAMPLES, 1)][:size]
    rest = [
        (jitlink if index % 17 == 0 else unreachable if index % 23 == 0 else LIKELY[index % len(LIKELY)])(
            f"pc-{index:02}"
        )
        for index in range(len(made) + 1, size + 1)
    ]
    return report(*made, *rest)
