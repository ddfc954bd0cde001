"""Whatever a machine says, the parsers answer and never raise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facts.probe import apt, exports, gpu, openpgp, packages, service, shell, system, toolkit, wsl

PARSERS: dict[str, Callable[[str], Any]] = {
    "os_release": system.parse_os_release,
    "cpu_flags": system.parse_cpu_flags,
    "meminfo": system.parse_meminfo,
    "wsl_conf": wsl.parse_conf,
    "wsl_version": lambda text: wsl.wsl_version(text, text, True, True),
    "kernel": wsl.kernel,
    "banner": gpu.parse_banner,
    "query": gpu.parse_query,
    "failure": lambda text: gpu.failure(text, text),
    "status": packages.parse_status,
    "list": apt.parse_list,
    "sources": apt.parse_sources,
    "startup": exports.parse_startup,
    "show": service.parse_show,
    "tcp": lambda text: service.parse_tcp(text, 8000),
    "nvcc": toolkit.parse_nvcc,
    "alternatives": toolkit.parse_alternatives,
    "number": shell.number,
}
# Pieces that the parsers look for, so that random text reaches their inner branches.
PIECES = [
    "\n",
    "\n\n",
    " ",
    ", ",
    "=",
    ":",
    "[",
    "]",
    "#",
    '"',
    "0",
    "0A",
    "1F40",
    "inf",
    "nan",
    "9" * 400,
    "deb",
    "[signed-by=",
    "https://x/compute/cuda/repos/a/",
    "URIs: ",
    "Enabled: ",
    "Package: cuda",
    "Status: ",
    "Version: ",
    "ID=",
    "flags\t: ",
    "MemTotal: ",
    " kB",
    "[boot]",
    "systemd=",
    "export PATH=",
    "/cuda-",
    "release ",
    "V1.2.3",
    "CUDA Version: ",
    "Driver Version: ",
    "\ufeff",
    "\x00",
    "\u2028",
    "é",
]
TEXTS = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=25).map("".join))


@pytest.mark.parametrize("name", PARSERS)
@given(text=TEXTS)
def test_any_text(name: str, text: str) -> None:
    PARSERS[name](text)


CELLS = st.one_of(
    st.sampled_from(["0A", "01", "0100007F:1F40", "x:y", ":", "12", "inf", "-"]),
    st.text("0123456789ABCDEFx:", max_size=9),
)


@given(cells=st.lists(CELLS, min_size=3, max_size=13))
def test_any_socket_table(cells: list[str]) -> None:
    service.parse_tcp("head\n" + " ".join([*cells[:3], "0A", *cells[3:]]), 8000)


@given(
    cells=st.lists(
        st.one_of(st.sampled_from(["0", "[N/A]", "inf", "1e999", "24576 MiB", "12.0"]), st.text(max_size=5)),
        min_size=11,
        max_size=11,
    )
)
def test_any_csv_row(cells: list[str]) -> None:
    gpu.parse_query(",".join(cells))


@given(data=st.binary(max_size=300))
def test_any_bytes_as_a_keyring(data: bytes) -> None:
    openpgp.fingerprints(data)
    openpgp.fingerprints(b"\x99" + data)
    openpgp.fingerprints(b"\xc6" + data)


@given(data=st.binary(max_size=100))
def test_any_bytes_in_armor(data: bytes) -> None:
    openpgp.fingerprints(b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n" + data + b"\n-----END PGP PUBLIC KEY BLOCK-----\n")
