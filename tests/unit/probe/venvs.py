"""Small venvs with RECORDs, and small shared objects, for the library checker."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

CC = shutil.which("cc")
needs_cc = pytest.mark.skipif(CC is None, reason="no C compiler (cc) to make shared objects with")
PYTHON = "3.11"
# As torch 2.6 has it, cut to what the checker reads.
TORCH_INIT = """
def _preload_cuda_deps(lib_folder: str, lib_name: str) -> None:
    ctypes.CDLL(lib_path)


def _load_global_deps() -> None:
    try:
        ctypes.CDLL(global_deps_lib_path, mode=ctypes.RTLD_GLOBAL)
        try:
            with open("/proc/self/maps") as f:
                _maps = f.read()
            if "nvidia/cuda_runtime/lib/libcudart.so" not in _maps:
                return
            _preload_cuda_deps("nvjitlink", "libnvJitLink.so.*[0-9]")
        except Exception:
            pass
    except OSError as err:
        cuda_libs = {"cuda_runtime": "libcudart.so.*[0-9]", "nvjitlink": "libnvJitLink.so.*[0-9]"}
        for lib_folder, lib_name in cuda_libs.items():
            _preload_cuda_deps(lib_folder, lib_name)
        ctypes.CDLL(global_deps_lib_path, mode=ctypes.RTLD_GLOBAL)


USE_GLOBAL_DEPS = True
"""


class Venv:
    """A folder that looks like a venv; its interpreter is this one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.site = path / f"lib/python{PYTHON}/site-packages"
        self.site.mkdir(parents=True)
        (path / "bin").mkdir()
        (path / "bin/python").symlink_to(sys.executable)
        (path / "pyvenv.cfg").write_text(f"home = /usr/bin\nversion_info = {PYTHON}.7\n")

    def info(self, name: str, version: str) -> Path:
        return self.site / f"{name.replace('-', '_')}-{version}.dist-info"

    def add(
        self, name: str, version: str, requires: Sequence[str] = (), files: Mapping[str, bytes | None] | None = None
    ) -> None:
        """A distribution; a file of None is there already."""
        info = self.info(name, version)
        lines = [f"Requires-Dist: {line}\n" for line in requires]
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{''.join(lines)}\nDescription\n"
        everything = {
            **(files or {}),
            f"{info.name}/METADATA": metadata.encode(),
            f"{info.name}/WHEEL": b"Wheel-Version: 1.0\n",
        }
        for path, data in everything.items():
            (self.site / path).parent.mkdir(parents=True, exist_ok=True)
            if data is not None:
                (self.site / path).write_bytes(data)
        rows = [row(self.site, path) for path in everything] + [f"{info.name}/RECORD,,"]
        (info / "RECORD").write_text("\n".join(rows) + "\n")

    def replace(self, path: str, data: bytes) -> None:
        """Other bytes in a new file."""
        (self.site / path).unlink()
        (self.site / path).write_bytes(data)


def row(site: Path, path: str) -> str:
    """A line of RECORD."""
    data = (site / path).read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    quoted = '"{}"'.format(path.replace('"', '""')) if set('",') & set(path) else path
    return f"{quoted},sha256={digest},{len(data)}"


def compile_library(
    path: Path,
    source: str = "",
    needed: Sequence[Path] = (),
    options: Sequence[str] = (),
    versions: str | None = None,
) -> Path:
    """A shared object whose soname is its name. `versions` is a version script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    code = path.with_name(path.name + ".c")
    code.write_text(source)
    argv = [str(CC), "-shared", "-fPIC", "-nostdlib", "-o", str(path), str(code), f"-Wl,-soname,{path.name}"]
    if versions:
        script = path.with_name(path.name + ".map")
        script.write_text(versions)
        argv.append(f"-Wl,--version-script={script}")
    argv += ["-Wl,--no-as-needed", *map(str, needed), *options]
    subprocess.run(argv, check=True, timeout=60)
    for extra in path.parent.glob(path.name + ".[cm]*"):
        extra.unlink()
    return path


def runtime_path(value: str) -> list[str]:
    """DT_RUNPATH."""
    return ["-Wl,--enable-new-dtags", f"-Wl,-rpath,{value}"]


def old_path(value: str) -> list[str]:
    """DT_RPATH, which wins over LD_LIBRARY_PATH."""
    return ["-Wl,--disable-new-dtags", f"-Wl,-rpath,{value}"]


JIT = "nvidia/nvjitlink/lib/libnvJitLink.so.12"
SPARSE = "nvidia/cusparse/lib/libcusparse.so.12"
RUNTIME = "nvidia/cuda_runtime/lib/libcudart.so.12"
ALL = "../../nvidia/cuda_runtime/lib:$ORIGIN/../../nvidia/cusparse/lib"


def jit_versions(minor: int) -> tuple[str, str]:
    """Source and version script of a libnvJitLink of CUDA 12.`minor`: all the suffixes up to its own."""
    names = [f"__nvJitLinkCreate_12_{number}" for number in range(minor + 1)]
    source = "".join(f"int {name}(void) {{ return 1; }}\n" for name in names)
    return source, "libnvJitLink.so.12 { global: *; };\n"


def torch_venv(path: Path, wanted: int = 4) -> Venv:
    """A venv whose torch loads three tiny CUDA libraries the way the real one does."""
    venv = Venv(path)
    site = venv.site
    source, script = jit_versions(4)
    jit = compile_library(site / JIT, source, versions=script)
    use = f"int __nvJitLinkCreate_12_{wanted}(void);\nint cusparseCreate(void) {{ return __nvJitLinkCreate_12_{wanted}(); }}\n"
    if wanted > 4:  # made against a newer one
        newer = compile_library(path / "newer/libnvJitLink.so.12", jit_versions(wanted)[0], versions=script)
    sparse = compile_library(
        site / SPARSE, use, [newer if wanted > 4 else jit], runtime_path("$ORIGIN/../../nvjitlink/lib")
    )
    runtime = compile_library(site / RUNTIME, "int cudaMalloc(void) { return 0; }")
    rpath = old_path(f"$ORIGIN:$ORIGIN/{ALL}")
    deps = compile_library(site / "torch/lib/libtorch_global_deps.so", "", [runtime], rpath)
    core = "int cusparseCreate(void);\nint torch_start(void) { return cusparseCreate(); }\n"
    library = compile_library(site / "torch/lib/libtorch_cuda.so", core, [sparse, runtime], rpath)
    module = compile_library(site / "torch/_C.so", "", [library], old_path("$ORIGIN/lib"))
    files = {str(one.relative_to(site)): None for one in (deps, library, module)}
    venv.add("nvidia-nvjitlink-cu12", "12.4.127", files={JIT: None})
    venv.add("nvidia-cusparse-cu12", "12.3.1.170", ["nvidia-nvjitlink-cu12"], {SPARSE: None})
    venv.add("nvidia-cuda-runtime-cu12", "12.4.127", files={RUNTIME: None})
    pins = [
        "nvidia-nvjitlink-cu12 (==12.4.127)",
        "nvidia-cusparse-cu12==12.3.1.170",
        "nvidia-cuda-runtime-cu12==12.4.127",
    ]
    own = {"torch/__init__.py": TORCH_INIT.encode(), "torch/version.py": b"cuda: Optional[str] = '12.4'\n"}
    venv.add("torch", "2.6.0", pins, {**files, **own, "torch/README": b"read me\n"})
    return venv
