"""NVIDIA GPUs: what nvidia-smi says, and hardware that it does not see."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List, Optional

from . import shell

WSL_LIB = "/usr/lib/wsl/lib"
FIELDS = (
    "index,uuid,name,memory.total,memory.free,driver_version,compute_cap,"
    "pcie.link.gen.max,pcie.link.width.max,pcie.link.gen.current,pcie.link.width.current"
)


def parse_query(text: str, fields: str = FIELDS) -> List[Dict[str, Any]]:
    """GPUs of `nvidia-smi --query-gpu=FIELDS --format=csv,noheader,nounits`; MiB; unknown cells are None."""
    gpus = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        row = dict(zip(fields.split(","), cells))
        if len(cells) == len(fields.split(",")) and shell.number(row["index"]) is not None:
            gpus.append(_gpu(row))
    return gpus


def _gpu(row: Dict[str, str]) -> Dict[str, Any]:
    def known(key: str, pattern: str) -> Optional[str]:
        value = row.get(key, "")
        return value if re.fullmatch(pattern, value) else None

    return {
        "index": shell.number(row["index"]),
        "uuid": known("uuid", r"(GPU|MIG)-\S+"),
        "name": row["name"],
        "memory_total_mib": shell.number(_bare(row.get("memory.total"))),
        "memory_free_mib": shell.number(_bare(row.get("memory.free"))),
        "driver": known("driver_version", r"[\d.]+"),
        "compute_capability": known("compute_cap", r"\d+\.\d+"),
        "pcie_generation": shell.number(row.get("pcie.link.gen.max")),
        "pcie_width": shell.number(row.get("pcie.link.width.max")),
        "pcie_generation_now": shell.number(row.get("pcie.link.gen.current")),
        "pcie_width_now": shell.number(row.get("pcie.link.width.current")),
    }


def _bare(text: Optional[str]) -> str:
    """`12288 MiB` without its unit, for outputs made without `nounits`."""
    return re.sub(r"\s*MiB$", "", text or "")


def parse_banner(text: str) -> Dict[str, Optional[str]]:
    """Versions in the head of plain `nvidia-smi`: `smi`, `driver` (the kernel side; in WSL the Windows driver), `cuda`."""

    def field(pattern: str) -> Optional[str]:
        match = re.search(pattern, text)
        return match.group(1) if match else None

    return {
        "smi": field(r"NVIDIA-SMI[: ]+(?:version *: *)?(\d[\d.]*)"),
        "driver": field(r"(?:Driver|KMD) Version\s*:\s*(\d[\d.]*)"),
        "cuda": field(r"CUDA (?:UMD )?Version\s*:\s*(\d[\d.]*)"),
    }


def failure(out: str, err: str) -> Optional[str]:
    """The first line in which nvidia-smi says why it sees nothing."""
    for line in (out + "\n" + err).splitlines():
        if re.search(r"NVML|has failed|couldn't|unable to|No devices were found|error|mismatch|not found", line, re.I):
            return line.strip()
    return None


def pci_devices(root: str = "/sys/bus/pci/devices") -> List[Dict[str, Any]]:
    """NVIDIA display controllers on the PCI bus: address, device id and the kernel driver bound to each."""
    found = []
    for address in shell.listing(root):
        base = os.path.join(root, address)
        vendor = (shell.read(base + "/vendor") or "").strip()
        if vendor == "0x10de" and (shell.read(base + "/class") or "").startswith("0x03"):
            driver = os.path.realpath(base + "/driver") if os.path.exists(base + "/driver") else ""
            device = (shell.read(base + "/device") or "").strip()
            found.append({"address": address, "device": device, "driver": os.path.basename(driver) or None})
    return found


def observe(query: Dict[str, Any]) -> Dict[str, Any]:
    """GPUs and drivers. `smi_path` is None where there is no nvidia-smi; `error` is its own words when it fails."""
    smi = shell.which("nvidia-smi", [WSL_LIB, "/opt/nvidia/bin"])
    seen: Dict[str, Any] = {"smi_path": smi, "error": None, "devices": [], "smi": None, "driver": None, "cuda": None}
    if smi:
        seen.update(_ask(smi))
    seen["pci"] = pci_devices()
    seen["device_files"] = [name for name in shell.listing("/dev") if re.match(r"nvidia(\d+|ctl)$", name)]
    return seen


def _ask(smi: str) -> Dict[str, Any]:
    banner = shell.run([smi], timeout=20)
    fields = FIELDS
    answer = shell.run([smi, "--query-gpu=" + fields, "--format=csv,noheader,nounits"], timeout=20)
    if answer.code and "compute_cap" in answer.out + answer.err:  # nvidia-smi before 11.6 does not know the field
        fields = FIELDS.replace("compute_cap,", "")
        answer = shell.run([smi, "--query-gpu=" + fields, "--format=csv,noheader,nounits"], timeout=20)
    devices = parse_query(answer.out, fields) if answer.code == 0 else []
    words = None if devices else failure(answer.out, answer.err) or failure(banner.out, banner.err) or "no answer"
    return dict(parse_banner(banner.out), devices=devices, error=words)
