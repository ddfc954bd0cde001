"""Stand-ins for NVIDIA's apt repositories, at their real addresses.

Layout and names as in NVIDIA's: flat repositories with a keyring package that writes the source
line, the key and a pin. Versions are those of CUDA 12.8.1, 12.9.1 and 13.0.1. The maintainer
scripts set the `cuda` and `cuda-12` alternatives, so that the newest toolkit takes /usr/local/cuda.
"""

from __future__ import annotations

from pathlib import Path

from .debs import Deb, end_agent, gpg, new_key, repository

SITE = "developer.download.nvidia.com"
REPOSITORIES = ("wsl-ubuntu", "ubuntu2204", "ubuntu2404", "debian12")
KEY_FILE, OLD_KEY_FILE = "3bf863cc.pub", "7fa2af80.pub"
KEY_NAME, OLD_KEY_NAME = "cudatools standin <standin@invalid>", "retired standin <standin@invalid>"
_KEYRING = "usr/share/keyrings/cuda-archive-keyring.gpg"
_RELEASES = {
    "12.8": ("12.8.1-1", "12.8.93-1", "12.8.90-1"),
    "12.9": ("12.9.1-1", "12.9.86-1", "12.9.79-1"),
    "13.0": ("13.0.1-1", "13.0.88-1", "13.0.88-1"),
}
_PIN = """Package: nsight-compute
Pin: origin *ubuntu.com*
Pin-Priority: -1

Package: nsight-systems
Pin: origin *ubuntu.com*
Pin-Priority: -1

Package: *
Pin: release l=NVIDIA CUDA
Pin-Priority: 600
"""


def build(www: Path, gpg_home: Path) -> tuple[str, str]:
    """All repositories under WWW; (fingerprint of the key in use, of the retired key)."""
    key, old = new_key(gpg_home, KEY_NAME), new_key(gpg_home, OLD_KEY_NAME)
    public = gpg_binary(gpg_home, key)
    every = [*_drivers(), *(deb for release in _RELEASES for deb in _toolkit(release))]
    for name in REPOSITORIES:
        directory = www / SITE / "compute/cuda/repos" / name / "x86_64"
        repository(directory, [_keyring(name, public), *every], gpg_home, key)
        (directory / KEY_FILE).write_text(gpg(gpg_home, "--armor", "--export", key))
        (directory / OLD_KEY_FILE).write_text(gpg(gpg_home, "--armor", "--export", old))
    end_agent(gpg_home)
    return key, old


def gpg_binary(home: Path, key: str) -> bytes:
    """KEY as apt reads it from /usr/share/keyrings."""
    out = home / "public.gpg"
    gpg(home, "-o", out, "--export", key)
    return out.read_bytes()


def _keyring(repository_name: str, public: bytes) -> Deb:
    url = f"https://{SITE}/compute/cuda/repos/{repository_name}/x86_64/"
    source = f"deb [signed-by=/{_KEYRING}] {url} /\n"
    return Deb(
        "cuda-keyring",
        "1.1-1",
        architecture="all",
        files={
            _KEYRING: public,
            f"etc/apt/sources.list.d/cuda-{repository_name}-x86_64.list": source.encode(),
            "etc/apt/preferences.d/cuda-repository-pin-600": _PIN.encode(),
        },
    )


def _toolkit(release: str) -> list[Deb]:
    dashed, (cuda, nvcc, config) = release.replace(".", "-"), _RELEASES[release]
    compiler = (
        "#!/bin/sh\necho 'nvcc: NVIDIA (R) Cuda compiler driver'\n"
        "echo 'Copyright (c) 2005-2025 NVIDIA Corporation'\n"
        f"echo 'Cuda compilation tools, release {release}, V{nvcc.split('-')[0]}'\n"
    )
    prefix = f"usr/local/cuda-{release}"
    library = f"{prefix}/targets/x86_64-linux/lib/standin.txt"
    return [
        _config(release, config),
        Deb(
            f"cuda-nvcc-{dashed}", nvcc, f"cuda-toolkit-{dashed}-config-common",
            files={f"{prefix}/bin/nvcc": compiler.encode(), library: b"standin\n"},
        ),
        Deb(f"cuda-compiler-{dashed}", cuda, f"cuda-nvcc-{dashed} (>= {nvcc})"),
        Deb(f"cuda-toolkit-{dashed}", cuda, f"cuda-compiler-{dashed} (>= {cuda})"),
        Deb(f"cuda-{dashed}", cuda, f"cuda-toolkit-{dashed} (>= {cuda}), cuda-drivers (>= 570)"),
    ]  # fmt: skip


def _config(release: str, version: str) -> Deb:
    major, priority = release.split(".")[0], release.replace(".", "")
    target = f"/usr/local/cuda-{release}"
    install = "".join(
        f"update-alternatives --install /usr/local/{name} {name} {target} {priority}\n"
        for name in ("cuda", f"cuda-{major}")
    )
    remove = "".join(f"    update-alternatives --remove {name} {target}\n" for name in ("cuda", f"cuda-{major}"))
    dashed = release.replace(".", "-")
    line = f"{target}/targets/x86_64-linux/lib\n"
    return Deb(
        f"cuda-toolkit-{dashed}-config-common", version, architecture="all",
        files={f"etc/ld.so.conf.d/989_cuda-{dashed}.conf": line.encode()},
        scripts={
            "postinst": f"#!/bin/sh\nset -e\n{install}",
            "prerm": f'#!/bin/sh\nset -e\nif [ "$1" = remove ]; then\n{remove}fi\n',
        },
    )  # fmt: skip


def _drivers() -> list[Deb]:
    """What must never be installed: under WSL it breaks the GPU, on a lab machine the driver."""
    driver = "575.57.08-1"
    smi = b"#!/bin/sh\necho 'standin: a Linux driver was installed' >&2\nexit 9\n"
    return [
        Deb("libnvidia-compute-575", driver),
        Deb("nvidia-driver-575", driver, "libnvidia-compute-575",
            files={"usr/lib/nvidia/standin-driver": smi}),
        Deb("nvidia-open", driver, "nvidia-driver-575"),
        Deb("cuda-drivers-575", driver, "nvidia-driver-575"),
        Deb("cuda-drivers", driver, "cuda-drivers-575"),
        Deb("cuda-toolkit", "13.0.1-1", "cuda-toolkit-13-0 (>= 13.0.1)"),
        Deb("cuda", "13.0.1-1", "cuda-13-0 (>= 13.0.1)"),
    ]  # fmt: skip
