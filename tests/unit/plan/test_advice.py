"""Advice for WSL: numbers that Windows can give, a firewall that is named, settings however they were written."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as st

from plan import advice, plan, windows
from plan.machine import Machine
from plan.report import Words
from plan.settings import Settings
from plan.toml import table
from tests.unit.machines import RTX_4070_12, RTX_4090, RTX_5060TI_16, changed, finished, machine

KEPT = "[general]\ninstanceIdleTimeout=-1\n[wsl2]\nvmIdleTimeout=-1\n"
RULE = (
    """New-NetFirewallHyperVRule -Name vllm-workstation -DisplayName "vLLM" -Direction Inbound -VMCreatorId """
    """'{40E0AC32-46A5-438A-A0B2-2B479E8F2E90}' -Protocol TCP -LocalPorts 8123 -Action Allow"""
)


def wsl(
    card: dict[str, Any], ram_gib: float = 64, config: str | None = None, settings: Settings | None = None
) -> Machine:
    """A healthy WSL machine with Windows' settings as given."""
    done = finished(machine(card, wsl=2, ram_gib=ram_gib), settings).model_dump()
    return Machine.model_validate({**done, "logs": {"hostname": "pc", "wslconfig": config}})


def told(what: Machine, **settings: Any) -> dict[str, Words]:
    wanted = Settings(**settings)
    return {one.code: one.text for one in advice.advice(what, wanted, plan.make(what, wanted))}


def memory(*args: Any) -> str:
    """Both languages of WSL-MEMORY; empty where it is not told."""
    text = told(wsl(*args)).get("WSL-MEMORY")
    return f"{text.en}\n{text.zh}" if text else ""


def given_gb(text: str) -> set[int]:
    return {int(found) for found in re.findall(r"memory=(\d+)GB", text)}


@pytest.mark.parametrize("config", [None, KEPT, KEPT + "swap=8GB\n"])
def test_windows_keeps_memory_for_itself(config: str | None) -> None:
    """WSL sees 7.7 GiB, so Windows has about 16: never all of it, and less than 12."""
    text = memory(RTX_5060TI_16, 7.7, config)
    assert given_gb(text) == {11} and "swap=8GB" in text
    assert given_gb(memory(RTX_4070_12, 11.7, config)) == {16}


@pytest.mark.parametrize(
    ("card", "ram"),
    [(RTX_5060TI_16, ram) for ram in (3.9, 4.5, 5.0, 6.0)]
    + [(RTX_4070_12, ram) for ram in (6.2, 7.7, 9.6, 11.7, 14.0)],
)
def test_no_number_is_more_than_windows_less_its_own_need(card: dict[str, Any], ram: float) -> None:
    text = memory(card, ram, KEPT)
    for number in given_gb(text):
        assert ram < number <= 2 * ram - table("advice")["numbers"]["windows_gib"]


def test_a_machine_too_small_for_the_plan_is_told_so() -> None:
    """12 GiB card: 4.1 GiB pinned and 8 beside, of 11 that a 16 GiB Windows can give."""
    text = memory(RTX_4070_12, 7.7, KEPT)
    assert given_gb(text) == {11} and "13 GiB" in text
    assert "close programs" in text and "add memory" in text and "關閉" in text and "加裝記憶體" in text
    assert "add memory" not in memory(RTX_5060TI_16, 7.7, KEPT)  # 1.1 GiB pinned: 11 are enough
    tiny = memory(RTX_5060TI_16, 3.9, KEPT)
    assert not given_gb(tiny) and "memory=" not in tiny and "add memory" in tiny and "swap=8GB" in tiny


def test_memory_that_is_set_hides_windows_size() -> None:
    text = memory(RTX_4070_12, 7.7, KEPT + "memory=8GB # half\n")
    assert "memory=8GB)" in text and "# half" not in text
    assert "at most Windows' memory less 4 GiB" in text and "Windows 記憶體減 4 GiB" in text
    assert "at most Windows' memory less 4 GiB" in memory(RTX_5060TI_16, 7.7, None)  # no file was seen: it may be set
    assert "at most" not in memory(RTX_5060TI_16, 7.7, KEPT)
    assert memory(RTX_5060TI_16, 10.7, KEPT + "memory=11GB\n") == ""  # what we advised is not questioned again


@pytest.mark.parametrize("ram", [3.9, 7.7, 11.7, 64])
def test_nothing_of_memory_where_nothing_is_kept_in_it(ram: float) -> None:
    assert told(wsl(RTX_4090, ram, KEPT)) == {}
    assert memory(RTX_4090, ram, None) == ""


def test_the_hyper_v_firewall_is_named() -> None:
    text = told(wsl(RTX_4090, 64, KEPT), host="0.0.0.0", port=8123)
    assert set(text) == {"WSL-LAN"}
    for said in (text["WSL-LAN"].en, text["WSL-LAN"].zh):
        for part in ("Windows 11 22H2", "networkingMode=mirrored", "[wsl2]", "wsl --shutdown", RULE):
            assert part in said
    assert "elevated PowerShell" in text["WSL-LAN"].en and "系統管理員" in text["WSL-LAN"].zh


@pytest.mark.parametrize(
    "line", ["networkingMode=mirrored # lan", "NetworkingMode = Mirrored", '"', "networkingMode=nat"]
)
def test_the_firewall_is_told_where_networking_is_mirrored(line: str) -> None:
    text = told(wsl(RTX_4090, 64, KEPT + line + "\n"), host="0.0.0.0", port=8123)
    code = "WSL-FIREWALL" if "irrored" in line else "WSL-LAN"
    assert set(text) == {code} and RULE in text[code].en and RULE in text[code].zh
    assert told(wsl(RTX_4090, 64, KEPT + line + "\n")) == {}  # only this machine reaches it


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[wsl2]\nnetworkingMode=mirrored # lan", "mirrored"),
        ("[wsl2] # all\r\n  NETWORKINGMODE = mirrored\t#lan\r\n", "mirrored"),
        ("\ufeff[wsl2]\nnetworkingMode=mirrored", "mirrored"),
        ('[wsl2]\nnetworkingMode="mirrored"', "mirrored"),
        ('[wsl2]\nx="a # b\nnetworkingMode="a # b" # c', "a # b"),
        ("[wsl2]\nnetworkingMode=mirrored\nnetworkingMode=nat", "mirrored"),  # WSL takes the first
        ("[wsl2]\njust words\nnetworkingMode=mirrored", "mirrored"),  # and skips what it cannot read
        ("[wsl2\n=\n[wsl2]\nnetworkingMode=mirrored", "mirrored"),
        ("[wsl2]\n# networkingMode=mirrored\nnetworkingMode=nat", "nat"),
        ("[wsl2]\n;networkingMode=mirrored", None),
        ("[boot]\nnetworkingMode=mirrored", None),
        ("networkingMode=mirrored", None),
    ],
)
def test_settings_are_read_as_wsl_reads_them(text: str, value: str | None) -> None:
    assert windows.config(text).get("wsl2.networkingmode") == value


def test_comments_hide_nothing() -> None:
    noted = "[general] # a\ninstanceIdleTimeout=-1 # x\n[wsl2]\nvmIdleTimeout=-1 # x\n[experimental]\nnetworkingMode=mirrored # y\n"
    assert told(wsl(RTX_4090, 64, noted)) == {}
    assert set(told(wsl(RTX_4090, 64, noted), host="0.0.0.0")) == {"WSL-FIREWALL"}  # its older section still counts


@given(st.text(alphabet='[]wslnetworkingMode2=#"; \t\r\n\\-1\ufeff\0', max_size=200))
@rules(max_examples=300, deadline=None)
def test_any_text_is_settings(text: str) -> None:
    assert all(key == key.lower() and "\n" not in value for key, value in windows.config(text).items())


SIDES = {
    "/mnt/c": True,
    "/mnt/c/models/x": True,
    "/mnt/D/models": True,
    "/mnt//e/x": True,
    "/mnt/data/x": False,
    "/mnt/wsl/PHYSICALDRIVE1/x": False,
    "/mnt/cc/x": False,
    "/mnt/1/x": False,
    "/home/ops/mnt/c/x": False,
    "/mnt": False,
}


@pytest.mark.parametrize(("path", "there"), SIDES.items())
def test_which_paths_lie_on_windows(path: str, there: bool) -> None:
    inside, native = machine(RTX_4090, wsl=2), machine(RTX_4090)
    assert windows.holds(inside, path) is there and windows.holds(native, path) is False
    for here in (inside, native):
        root = plan.make(here, Settings(root=path.replace("//", "/") + "/vllm"))
        assert ("WINDOWS-DISK" in [one.code for one in root.refusals]) is (there and here is inside)
        notes = plan.make(here, Settings(model=path)).notes
        assert ("SLOW-DISK" in [one.code for one in notes]) is (there and here is inside)


@pytest.mark.parametrize(("size", "said"), [(None, "reads the model slowly"), (12 << 30, "reads 12.0 GiB slowly")])
def test_a_model_on_the_windows_disk(size: int | None, said: str) -> None:
    wanted = Settings(model="/mnt/c/models/x")
    here = wsl(RTX_4090, 64, KEPT, wanted)
    files = {"files": {"config.json": {"size": size, "mtime_ns": 5}}} if size else {}
    text = told(changed(here, "weights", **{"/mnt/c/models/x": files}), model="/mnt/c/models/x")
    assert said in text["WSL-DISK"].en and " 0.0 GiB" not in text["WSL-DISK"].zh
    assert told(wsl(RTX_4090, 64, KEPT, Settings(model="/mnt/data/x")), model="/mnt/data/x") == {}


def test_a_model_directory_that_is_gone() -> None:
    here = wsl(RTX_4090, 64, KEPT, Settings(model="/mnt/c/x"))
    gone = here.model_copy(update={"weights": {"/mnt/c/x": None}})
    assert "reads the model slowly" in told(gone, model="/mnt/c/x")["WSL-DISK"].en


def test_a_name_fault_asks_for_dns_tunneling() -> None:
    row = next(row for row in table("faults_install")["fault"] if row["code"] == "DNS")
    for said in (row["fix"], row["fix_zh"]):
        assert said.index("dnsTunneling=true") < said.index("networkingMode=mirrored") < said.rindex("wsl --shutdown")
        assert "[wsl2]" in said and "Windows 11 22H2" in said
    assert "true and networkingMode" not in row["fix"] and "true 與 networkingMode" not in row["fix_zh"]
