"""Hosts out of a spreadsheet and out of an Ansible inventory, through pyinfra's own command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.host.conftest import MakeHost
from tests.host.lab import Lab
from tests.host.product import PROJECT, run

pytestmark = pytest.mark.host
INVENTORY = "from deploy import hosts\n\nglobals().update(hosts.groups({file!r}))\n"


@pytest.mark.parametrize("form", ["csv", "ini"])
def test_hosts_of_a_file_are_reached(lab: Lab, host: MakeHost, tmp_path: Path, form: str) -> None:
    """Address, user and key stand in the file; the group's own settings are read too."""
    machine = host("debian-12")
    data = lab.inventory_data(machine)
    lists = {
        "csv": "host,group,{}\npc-01,pcs,{}\n".format(",".join(data), ",".join(data.values())),
        "ini": f"[pcs]\npc-01 ansible_host={data['ssh_hostname']} ansible_user=ops ansible_ssh_private_key_file={data['ssh_key']}\n",
    }
    (tmp_path / f"lab.{form}").write_text(lists[form])
    where = tmp_path / "inventory.py"
    where.write_text(INVENTORY.format(file=str(tmp_path / f"lab.{form}")))
    (tmp_path / "groups").mkdir()
    (tmp_path / "groups" / "pcs.py").write_text(
        f"ssh_known_hosts_file = {data['ssh_known_hosts_file']!r}\nport = 8123\n"
    )
    seen = run(
        lab,
        where,
        "deploy/facts.py",
        "-y",
        "--group-data",
        str(tmp_path / "groups"),
        "--group-data",
        str(PROJECT / "group_data"),
    )
    assert seen.code == 0, seen.text
    found = json.loads(seen.text[seen.text.index("{") : seen.text.rindex("\n}") + 2])
    assert found["pc-01"]["system"]["user"]["name"] == "ops"
    wrong = run(lab, where, "deploy/facts.py", "-y", "--group-data", str(tmp_path / "groups"), "--data", "canary=pc")
    assert wrong.code != 0 and "allowed is a number or a group of the inventory (inventory, pcs)" in wrong.text, wrong.text
    (tmp_path / f"lab.{form}").write_text(lists[form].replace("ops", "").replace("ansible_user", "ansible_password"))
    if form == "ini":
        refused = run(lab, where, "deploy/facts.py", "-y")
        assert refused.code != 0 and "lab.ini: line 2: pc-01: ansible_password is not used here" in refused.text, refused.text
