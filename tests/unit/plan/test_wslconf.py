"""wsl.conf with systemd on, and everything else as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facts.probe.wsl import parse_conf
from plan import plan
from plan.settings import Settings
from plan.wslconf import MARK, with_systemd
from tests.unit.machines import changed, machine

ON = f"{MARK}\nsystemd=true\n"
# (before, after)
FILES: list[tuple[str | None, str]] = [
    (None, f"{MARK}\n[boot]\nsystemd=true\n"),
    ("", f"{MARK}\n[boot]\nsystemd=true\n"),
    ("[boot]\nsystemd=true\n", "[boot]\nsystemd=true\n"),
    ("[boot]\nsystemd = TRUE # on", "[boot]\nsystemd = TRUE # on"),
    ("[boot]\nsystemd=false\n", f"[boot]\n{ON}"),
    (
        "[boot]\ncommand=service docker start\n\n[user]\ndefault=ops\n",
        f"[boot]\ncommand=service docker start\n{ON}\n[user]\ndefault=ops\n",
    ),
    ("[automount]\nenabled=true\n", f"[automount]\nenabled=true\n\n{MARK}\n[boot]\nsystemd=true\n"),
    ("[automount]\nsystemd=true", f"[automount]\nsystemd=true\n\n{MARK}\n[boot]\nsystemd=true\n"),
    ("# mine\n[ Boot ]\n", f"# mine\n[ Boot ]\n{ON}"),
    ("[boot]\n#systemd=true\n", f"[boot]\n#systemd=true\n{ON}"),
    ("\ufeff[boot]\nsystemd=false\n", f"\ufeff[boot]\n{ON}"),
]
# Cases that a person's editor leaves: they must end as [boot] systemd=true too.
ODD = [
    "[boot]\r\nsystemd=false\r\n[user]\r\ndefault=ops\r\n",
    "[user]\r\ndefault=ops\r\n",
    "[boot]\nsystemd=true\nsystemd=false\n",
    "[boot]\nsystemd=false\nsystemd=false\n",
    "[boot]\nsystemd=true\n[boot]\nsystemd=false\n",
    "[boot]\nsystemd=true;comment\n",
    "[boot]\nsystemd='true'\n",
    "[boot]\nsystemd=truely\n",
    "[boot]\nsystemd=\n",
    "[boot]\nsystemd\n",
]


def on(text: str) -> bool:
    """Whether the probe reads systemd as asked for."""
    return parse_conf(text).get("boot", {}).get("systemd", "").lower() == "true"


def others(text: str) -> list[str]:
    """Lines that are neither systemd's nor ours, byte for byte (the last one may have been without an end)."""
    rows = text.splitlines(keepends=True)
    kept = [
        row
        for row in rows
        if not row.lstrip("\ufeff ").lower().startswith("systemd") and MARK not in row and row.strip()
    ]
    end = "\r\n" if "\r\n" in text else "\n"
    return [row if row.endswith("\n") else row + end for row in kept]


@pytest.mark.parametrize(("before", "after"), FILES)
def test_exactly(before: str | None, after: str) -> None:
    assert with_systemd(before) == after
    assert with_systemd(after) == after
    assert on(after)


@pytest.mark.parametrize("text", ODD)
def test_odd_files_end_with_systemd_on(text: str) -> None:
    after = with_systemd(text)
    assert on(after)
    assert with_systemd(after) == after
    assert [row for row in others(after) if "[boot]" not in row] == [row for row in others(text) if "[boot]" not in row]


LINES = st.one_of(
    st.sampled_from(
        [
            "[boot]",
            "[user]",
            "[ Boot ]",
            "systemd=true",
            "systemd=false",
            "Systemd = True",
            "#systemd=true",
            "; x",
            "",
            "command=a=b # c",
            "[automount] # x",
        ]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), max_size=12),
)


@given(lines=st.lists(LINES, max_size=10), end=st.sampled_from(["\n", "\r\n"]), last=st.booleans())
def test_any_file(lines: list[str], end: str, last: bool) -> None:
    text = end.join(lines) + (end if last else "")
    after = with_systemd(text)
    assert on(after)
    assert with_systemd(after) == after
    boot = {"[boot]"}
    assert [r for r in others(after) if r.strip().lower() not in boot] == [
        r for r in others(text) if r.strip().lower() not in boot
    ]


def test_the_plan_writes_it_only_where_systemd_neither_runs_nor_is_asked_for() -> None:
    asleep = machine(wsl=2, systemd=False)
    assert plan.make(asleep, Settings()).wsl_conf == f"{MARK}\n[boot]\nsystemd=true\n"
    assert plan.make(changed(asleep, "wsl", conf="[boot]\nsystemd=true\n"), Settings()).wsl_conf is None
    assert plan.make(machine(wsl=2), Settings()).wsl_conf is None
    assert plan.make(machine(systemd=False), Settings()).wsl_conf is None
