"""Lists of hosts: a spreadsheet's, YAML, Ansible's."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyinfra.connectors import ssh

from deploy.hosts import groups as from_file
from plan import hosts, hosts_ansible, hosts_ini, hosts_yaml
from plan.hosts_common import HostsError
from plan.settings import Settings, read
from tests.unit.recorded import REPOSITORY

CSV = """\ufeffhost,group,ssh_user,ssh_port,port,exports,x_room,max_model_len
pc-01.lab,lab,ops,22,8001,true,B3,
pc-02.lab,lab;first,ops,,,no,,4096

10.0.0.7,,admin,2222,,,,auto
"""
YAML = """
lab:
  - pc-01.lab
  - {host: pc-02.lab, ssh_user: ops, port: 8001, groups: first}
servers: {gpu-01.lab: {cuda_version: 12.8}, gpu-02.lab: }
"""
INI = """
# a lab
alone.lab
[pcs]
pc-[01:03].lab ansible_user=ops vllm_workstation_port=8001
odd.lab:2222 note="two words"
[pcs:vars]
ansible_ssh_private_key_file=~/.ssh/lab
vllm_workstation_max_num_seqs = 2
port=22
[gpu-servers]
gpu-[a:b].lab ansible_host=10.0.0.5
[lab:children]
pcs
gpu-servers
[lab:vars]
ansible_user=admin
[here]
localhost ansible_connection=local
"""
ANSIBLE = """
all:
  vars: {ansible_user: ops}
  children:
    lab:
      children:
        pcs: {hosts: {"pc-[1:2].lab": , pc-3.lab: {ansible_port: 2222, vllm_workstation_port: 8001}}}
      vars: {vllm_workstation_exports: false}
    ungrouped: {hosts: {alone.lab: }}
"""


def test_a_spreadsheet() -> None:
    first = ("pc-01.lab", {"ssh_user": "ops", "ssh_port": 22, "port": 8001, "exports": True, "x_room": "B3"})
    second = ("pc-02.lab", {"ssh_user": "ops", "exports": False, "max_model_len": 4096})
    third = ("10.0.0.7", {"ssh_user": "admin", "ssh_port": 2222, "max_model_len": "auto"})
    expected = {"lab": [first, second, third], "first": [second]}
    assert hosts.groups(CSV, ".csv") == expected
    assert hosts.groups(CSV.replace(";", "|").replace(",", ";"), ".csv") == expected  # as a German spreadsheet saves it


def test_yaml() -> None:
    second = ("pc-02.lab", {"ssh_user": "ops", "port": 8001})
    servers = [("gpu-01.lab", {"cuda_version": "12.8"}), ("gpu-02.lab", {})]
    assert hosts.groups(YAML, ".yaml") == {"lab": [("pc-01.lab", {}), second], "first": [second], "servers": servers}
    assert hosts.groups("- pc-01", ".yml") == {"lab": [("pc-01", {})]}


def test_the_setting_host_is_no_machine() -> None:
    """Else the computer that runs this would be set up in its place."""
    assert hosts.groups("lab: {pc-01: {host: 0.0.0.0}, pc-02: }", ".yaml") == {"lab": [("pc-01", {"host": "0.0.0.0"}), ("pc-02", {})]}
    both = "- {name: pc-01, host: 0.0.0.0}"
    with pytest.raises(HostsError, match="lab, entry 1: both host and name are the machine's name here"):
        hosts.groups(both, ".yaml")
    with pytest.raises(HostsError, match=r"lab, entry 1: pc-01 is followed by '10.0.0.5'\. Write its settings under it"):
        hosts.groups("lab: {pc-01: 10.0.0.5}", ".yaml")
    with pytest.raises(HostsError, match="pc-01: unknown column or key name"):
        hosts.groups("lab: {pc-01: {name: alice}}", ".yaml")


def test_settings_that_belong_together_are_read_one_by_one() -> None:
    """Each alone would be refused; the other may stand elsewhere."""
    found = hosts.groups("host,gateway_certificate,gateway_certificate_key,port,door_port\ngw,/a.crt,/a.key,8444,8445\n", ".csv")
    settings = {"gateway_certificate": "/a.crt", "gateway_certificate_key": "/a.key", "port": 8444, "door_port": 8445}
    assert found == {"lab": [("gw", settings)]}
    assert hosts.groups("- {host: a, require_api_key: false}", ".yml") == {"lab": [("a", {"require_api_key": False})]}


def test_what_windows_and_its_spreadsheet_write() -> None:
    assert hosts.groups("\ufeff[lab]\na\n", ".ini") == hosts.groups("\ufeff- a\n", ".yaml") == {"lab": [("a", {})]}
    row = {"lab": [("a", {"port": 8001})]}
    assert hosts.groups("\ufeffsep=;\nhost;port\na;8001\n", ".csv") == row
    assert hosts.groups("# the lab, all of it\nhost;port\na;8001\n", ".csv") == row
    assert hosts.groups("sep=|\nhost|port\na|8001\n", ".csv") == row


def test_ansible_ini() -> None:
    found = hosts.groups(INI, ".ini")
    assert set(found) == {"lab", "pcs", "gpu_servers", "here"}
    pc: dict[str, Any] = {"ssh_user": "ops", "ssh_key": "~/.ssh/lab", "port": 8001, "max_num_seqs": 2, "x_port": "22"}
    assert dict(found["pcs"])["pc-02.lab"] == pc == dict(found["lab"])["pc-02.lab"]
    odd = {
        "ssh_user": "admin",
        "ssh_key": "~/.ssh/lab",
        "ssh_port": 2222,
        "max_num_seqs": 2,
        "x_port": "22",
        "x_note": "two words",
    }
    assert dict(found["pcs"])["odd.lab"] == odd
    assert found["gpu_servers"] == [
        (f"gpu-{one}.lab", {"ssh_user": "admin", "ssh_hostname": "10.0.0.5"}) for one in "ab"
    ]
    assert found["here"] == [("@local", {})] and dict(found["lab"])["alone.lab"] == {}
    assert len(found["lab"]) == 7
    assert hosts.groups(INI, "") == found


def test_ansible_yaml() -> None:
    data = {"ssh_user": "ops", "exports": False}
    pcs = [("pc-1.lab", data), ("pc-2.lab", data), ("pc-3.lab", {**data, "ssh_port": 2222, "port": 8001})]
    found = hosts.groups(ANSIBLE, ".yml")
    assert found == {"pcs": pcs, "lab": [*pcs, ("alone.lab", {"ssh_user": "ops"})]}


WRONG = [
    (".csv", "name2,port\n", "line 1: no column is called host"),
    (".csv", "host,port,port\na,1,2\n", "line 1: the column port stands there twice"),
    (".csv", "host,port\na,1,2\n", "line 2: 3 values for 2 columns"),
    (".csv", "host,port\n,8001\n", "line 2: '' is no host"),
    (".csv", "host,prt\na,8001\n", "a: unknown column or key prt: did you mean port?"),
    (".csv", "host,port\na,80\n", "a: setting port = '80' cannot be used: allowed is a whole number from 1024 to 65535"),
    (".csv", "host,ssh_port\na,x\n", "a: ssh_port = 'x' cannot be used: allowed is a whole number"),
    (".csv", "host,port\na,8001\na,8002\n", "line 3: a stands there twice, with different data"),
    (".csv", "host,group\na,all\n", "line 2: a group is named 'all'"),
    (".csv", "host\n", "there is no host in it"),
    (".csv", "", "there is no host in it"),
    (".yaml", "a: [", "line 1: "),
    (".yaml", "- host: !vault x", "lab, entry 1: {'host': '!vault'} is no host"),
    (".yaml", "a: b", "a: this is no list of hosts"),
    (".yaml", "- {port: 8001}", "lab, entry 1: {'port': '8001'} is no host"),
    (".yaml", "7", "neither a list of hosts nor groups"),
    (".yaml", "lab: {hosts: [a]}", "group lab: hosts is no mapping"),
    (".ini", "[a]\nb c", "line 2: 'c' is no NAME=VALUE after a host"),
    (".ini", "[a:vars]\nb", "line 2: 'b' is no variable"),
    (".ini", "[a]\nb x='", "line 2: No closing quotation"),
    (".ini", "pc-[1:x].lab", "line 1: the range [1:x] has no end"),
    (".ini", "pc-[1-3].lab", "line 1: 'pc-[1-3].lab' is no host. A range is written pc-[01:16].lab"),
    (".ini", "[a:children]\nb", "group a: its child b is nowhere"),
    (".ini", "[a:children]\nb\n[b:children]\na\n[b]\nc", "is its own child"),
    (".ini", "a ansible_password=x", "a: ansible_password is not used here: use keys"),
    (".ini", "a ansible_user='{{ me }}'", "is a template"),
    (".ini", "a vllm_workstation_prt=1", "a: unknown column or key prt: did you mean port?"),
    (".csv", "host,ssh_usr\na,x\n", "line 2: a: unknown column or key ssh_usr: did you mean ssh_user?"),
    (".csv", "host,ssh_allow_agent\na,maybe\n", "line 2: a: ssh_allow_agent = 'maybe' cannot be used: allowed is true or false"),
    (".csv", "host,group,port\na,x,8001\na,y,8002\n", "line 3: a stands there twice, with different data: port = 8001 and 8002"),
    (".csv", 'host,x_a\na,"b\n', "Mend the quotes"),
    (".csv", "host,,port\na,stray,8001\n", "line 2: 3 values for 3 columns. Name each column"),
    (".csv", "# the lab\n\nname2\na\n", "line 3: no column is called host"),
    (".yaml", "a:\n  - {host: b, prt: 1}", "line 2: b: unknown column or key prt: did you mean port?"),
    (".yaml", "a: {b: {port: 8001}, b: {port: 8002}}", "line 1: b stands there twice"),
    (".yaml", "- host: a\n  port: !vault x", "line 2: a: port is !vault, which only Ansible can read"),
    (".yaml", "- host: 'a b'", "lab, entry 1: 'a b' is no host"),
    (".yaml", "[" * 9000, "this is no YAML that can be read"),
    (".yaml", "all: {childern: {a: {hosts: {b: }}}, vars: {}}", "group all: childern is none of hosts, children and vars"),
    (".yaml", "a: {hosts: {b: {ansible_user: !vault x}}}", "line 1: b: ansible_user is !vault, which only Ansible can read"),
    (".ini", "[a]\nb\n[aa:vars]\nx=1", "line 3: the group aa is nowhere. Add [aa], or mend its name"),
    (".ini", "[a:hosts2]\nb", "line 1: [a:hosts2] is no section"),
    (".ini", "a ansible_connection=winrm", "line 1: a: ansible_connection = winrm is not ssh. Take the host out"),
    (".ini", "pc-[3:1]", "line 1: the range [3:1] has 0 hosts"),
    (".txt", "a", "a list of hosts ends in .csv"),
]  # fmt: skip


@pytest.mark.parametrize(("suffix", "text", "words"), WRONG)
def test_what_is_wrong_is_said_with_its_place(suffix: str, text: str, words: str) -> None:
    with pytest.raises(HostsError) as error:
        hosts.groups(text, suffix)
    assert words in str(error.value)


RECORDED = json.loads((REPOSITORY / "tests" / "data" / "ansible" / "inventories.json").read_text())


@pytest.mark.parametrize("number", range(len(RECORDED)))
def test_an_inventory_means_here_what_it_means_to_ansible(number: int) -> None:
    """Each of the recorded ones, which were made at random, has the hosts, groups and variables that ansible-core 2.19.14 told of it."""
    suffix, text, told = (RECORDED[number][key] for key in ("suffix", "text", "told"))
    found = hosts_ini.read(text) if suffix == ".ini" else hosts_yaml.read(text)
    expected = dict(hosts_ansible._translated(host, data) for host, data in told["hosts"].items())
    data = {
        host: {key: _norm(value) for key, value in data.items()} for hosts in found.values() for host, data in hosts
    }
    assert data == {host: {key: _norm(value) for key, value in data.items()} for host, data in expected.items()}
    told_groups = {group: members for group, members in told["groups"].items() if group not in ("all", "ungrouped")}
    assert {group: sorted(dict(rows)) for group, rows in found.items() if group != "lab"} == told_groups


def _norm(value: str) -> str:
    """Numbers and truths as Python writes them: Ansible has them as values, we as they are written."""
    text = {"012": "10", "007": "7", "true": "True", "false": "False", "yes": "True", "no": "False"}.get(value, value)
    try:
        return str(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return text


def test_a_version_stays_as_it_is_written() -> None:
    text = "- {host: a, cuda_version: 12.10, x_date: 2026-99-99, ssh_forward_agent: off, port: ~}"
    (found,) = hosts.groups(text, ".yaml")["lab"]
    assert found == ("a", {"cuda_version": "12.10", "x_date": "2026-99-99", "ssh_forward_agent": False})


def test_a_host_of_two_groups_is_one_host() -> None:
    found = hosts.groups("lab: [a, b]\nfirst: [{host: a, port: 8001, _sudo: no}]", ".yml")
    a = ("a", {"port": 8001, "_sudo": False})
    assert found == {"lab": [a, ("b", {})], "first": [a]}


def test_hosts_stand_in_the_order_of_the_file() -> None:
    found = hosts.groups("[lab:children]\nz\na\n[z]\nz[1:2]\n[a]\na1\n", ".ini")
    assert [host for host, _ in found["lab"]] == ["z1", "z2", "a1"]


def test_pyinfras_own_names_are_ours() -> None:
    hints = get_type_hints(ssh.ConnectorData)
    assert {key: kind for key, kind in hints.items() if key != "ssh_paramiko_connect_kwargs"} == hosts.SSH


@pytest.mark.parametrize("fault", [b"\xff\xfeh\x00", None])
def test_a_file_that_cannot_be_read(tmp_path: Path, fault: bytes | None) -> None:
    file = tmp_path / "lab.csv"
    if fault:
        file.write_bytes(fault)
    with pytest.raises(SystemExit, match="Save it as UTF-8" if fault else "Name the lab's list in inventory.py"):
        from_file(str(file))


@given(
    st.sampled_from([".csv", ".yaml", ".ini"]), st.text(max_size=200) | st.text("ab[:]{}!&*,=\n \"'-#.0", max_size=60)
)
def test_whatever_is_in_it_only_a_sentence_is_raised(suffix: str, text: str) -> None:
    try:
        found = hosts.groups(text, suffix)
    except HostsError as error:
        assert str(error)
    else:
        assert any(found.values())


SETTINGS: list[tuple[str, Any]] = [
    ("port", st.integers(1024, 65535)), ("max_num_seqs", st.integers(1, 1024)), ("exports", st.booleans()),
    ("gpu_memory_utilization", st.floats(0.1, 1.0)), ("max_failed", st.floats(0, 1)), ("engine", st.sampled_from(["auto", "cpu", "cuda"])),
]  # fmt: skip


@given(st.fixed_dictionaries({}, optional=dict(SETTINGS)))
def test_what_a_spreadsheet_says_is_what_the_settings_read(data: dict[str, Any]) -> None:
    header, row = ",".join(["host", *data]), ",".join(["pc", *(str(value) for value in data.values())])
    ((_, found),) = hosts.groups(f"{header}\n{row}\n", ".csv")["lab"]
    assert read(found) == Settings(**data)
