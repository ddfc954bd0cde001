"""The dlopen simulation against real dlopen: tiny libraries, a fresh Python, and what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from facts.probe import libraries

from .venvs import JIT, RUNTIME, SPARSE, Venv, compile_library, jit_versions, needs_cc, torch_venv

pytestmark = needs_cc


def findings(answer: dict[str, Any], code: str) -> list[dict[str, Any]]:
    return [one for one in answer["findings"] if one["code"] == code]


def really_loads(venv: Venv, variable: str = "", first: str = "") -> bool:
    """Does the real loader open the module, after the preloads of its torch."""
    site = venv.site
    earlier = [first] if first else []
    earlier += [str(site / "torch/lib/libtorch_global_deps.so")]
    if '_preload_cuda_deps("nv' in (site / "torch/__init__.py").read_text() and (site / RUNTIME).exists():
        earlier.append(str(site / JIT))
    code = f"import ctypes\nfor path in {[*earlier, str(site / 'torch/_C.so')]!r}: ctypes.CDLL(path)"
    env = {"LD_LIBRARY_PATH": variable} if variable else {}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, timeout=60, text=True)
    return done.returncode == 0


def toolkit(folder: Path, minor: int) -> Path:
    source, script = jit_versions(minor)
    return compile_library(folder / f"cuda-12.{minor}/lib64/libnvJitLink.so.12", source, versions=script).parent


def without_preload(venv: Venv) -> None:
    """As torch 2.5.1; RECORD tells the truth of it."""
    text = (
        (venv.site / "torch/__init__.py")
        .read_text()
        .replace('_preload_cuda_deps("nvjitlink", "libnvJitLink.so.*[0-9]")', "pass")
    )
    padded = text + "#" * (len((venv.site / "torch/__init__.py").read_text()) - len(text))
    venv.replace("torch/__init__.py", padded.encode())


def test_a_sound_venv_is_ok_and_resolves_to_its_own_files(tmp_path: Path) -> None:
    venv = torch_venv(tmp_path / "venv")
    answer = libraries.check(str(venv.path))
    assert (answer["verdict"], answer["findings"]) == ("ok", [])
    assert answer["resolved"]["libnvJitLink.so.12"] == str(venv.site / JIT)
    assert answer["resolved"]["libcusparse.so.12"] == str(venv.site / SPARSE)
    assert set(answer["seconds"]) == {"site", "metadata", "records", "loader"}
    assert really_loads(venv)


def test_an_older_toolkit_on_the_path_is_outdone_by_the_preload(tmp_path: Path) -> None:
    venv = torch_venv(tmp_path / "venv")
    variable = str(toolkit(tmp_path, 1))
    assert libraries.check(str(venv.path), variable)["verdict"] == "ok"
    assert really_loads(venv, variable)


def test_an_older_toolkit_breaks_a_torch_that_preloads_nothing(tmp_path: Path) -> None:
    venv = torch_venv(tmp_path / "venv")
    without_preload(venv)
    variable = str(toolkit(tmp_path, 1))
    answer = libraries.check(str(venv.path), variable)
    found = findings(answer, "SYMBOL")[0]
    assert (answer["verdict"], found["cause"], found["how"]) == ("import-fails", "environment", "LD_LIBRARY_PATH")
    assert found["path"] == variable + "/libnvJitLink.so.12"
    assert "__nvJitLinkCreate_12_4, version libnvJitLink.so.12" in found["message"]
    assert found["fix"] == f"take {variable} out of LD_LIBRARY_PATH"
    assert not really_loads(venv, variable)
    assert libraries.check(str(venv.path))["verdict"] == "ok"


def test_a_newer_toolkit_is_only_drift(tmp_path: Path) -> None:
    venv = torch_venv(tmp_path / "venv")
    without_preload(venv)
    variable = str(toolkit(tmp_path, 6))
    answer = libraries.check(str(venv.path), variable)
    assert [one["code"] for one in answer["findings"]] == ["MIXED"] and answer["verdict"] == "drift"
    assert really_loads(venv, variable)


def test_what_is_loaded_before_wins_over_the_preload(tmp_path: Path) -> None:
    venv = torch_venv(tmp_path / "venv")
    variable = str(toolkit(tmp_path, 1))
    answer = libraries.check(str(venv.path), variable, ["libnvJitLink.so.12"])
    assert answer["verdict"] == "import-fails"
    assert not really_loads(venv, variable, "libnvJitLink.so.12")


def test_an_empty_element_means_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv = torch_venv(tmp_path / "venv")
    without_preload(venv)
    monkeypatch.chdir(toolkit(tmp_path, 1))
    assert libraries.check(str(venv.path), "/nowhere:")["verdict"] == "import-fails"
    assert not really_loads(venv, "/nowhere:")
    monkeypatch.chdir(tmp_path)
    assert libraries.check(str(venv.path), "/nowhere:")["verdict"] == "ok"


def test_a_consumer_newer_than_its_provider_is_named_by_its_symbol(tmp_path: Path) -> None:
    venv = torch_venv(tmp_path / "venv", wanted=8)
    answer = libraries.check(str(venv.path))
    found = findings(answer, "SYMBOL")[0]
    assert (answer["verdict"], found["package"]) == ("import-fails", "nvidia-nvjitlink-cu12")
    assert not really_loads(venv)


def test_of_two_sides_the_one_that_left_its_pin_is_guilty(tmp_path: Path) -> None:
    venv = torch_venv(tmp_path / "venv", wanted=8)
    venv.info("nvidia-cusparse-cu12", "12.3.1.170").rename(venv.info("nvidia-cusparse-cu12", "12.5.8.93"))
    found = findings(libraries.check(str(venv.path)), "SYMBOL")[0]
    assert found["package"] == "nvidia-cusparse-cu12"
    assert found["fix"] == "uv pip install --no-deps nvidia-cusparse-cu12==12.3.1.170"


@pytest.mark.parametrize("library, package", [(JIT, "nvidia-nvjitlink-cu12"), (RUNTIME, "nvidia-cuda-runtime-cu12")])
def test_a_library_that_is_gone(tmp_path: Path, library: str, package: str) -> None:
    venv = torch_venv(tmp_path / "venv")
    (venv.site / library).unlink()
    answer = libraries.check(str(venv.path))
    assert answer["verdict"] == "import-fails"
    assert findings(answer, "NOT-FOUND")[0]["package"] == package == findings(answer, "GONE")[0]["package"]
    assert findings(answer, "GONE")[0]["fix"].startswith(f"uv pip install --no-deps --reinstall {package}==")


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.9])
def test_a_library_cut_short(tmp_path: Path, keep: float) -> None:
    venv = torch_venv(tmp_path / "venv")
    data = (venv.site / SPARSE).read_bytes()
    venv.replace(SPARSE, data[: int(len(data) * keep)] if keep < 0.9 else data[:0x1000])
    answer = libraries.check(str(venv.path))
    bad = findings(answer, "BAD-ELF")[0]
    assert (answer["verdict"], bad["package"], bad["path"]) == (
        "import-fails",
        "nvidia-cusparse-cu12",
        str(venv.site / SPARSE),
    )
    assert not really_loads(venv)


def test_a_toolkit_stands_in_for_a_wheel_that_is_missing(tmp_path: Path) -> None:
    venv = torch_venv(tmp_path / "venv")
    for path in [venv.site / JIT, *venv.info("nvidia-nvjitlink-cu12", "12.4.127").iterdir()]:
        path.unlink()
    venv.info("nvidia-nvjitlink-cu12", "12.4.127").rmdir()
    answer = libraries.check(str(venv.path), str(toolkit(tmp_path, 6)))
    mixed = findings(answer, "MIXED")[0]
    assert answer["verdict"] == "drift"
    assert (mixed["cause"], mixed["package"]) == ("environment", "nvidia-nvjitlink-cu12")
    assert findings(answer, "MISSING")[0]["package"] == "nvidia-nvjitlink-cu12"


def test_cudnn_parts_that_are_gone_or_elsewhere(tmp_path: Path) -> None:
    venv = torch_venv(tmp_path / "venv")
    home = venv.site / "nvidia/cudnn/lib"
    names = [f"libcudnn_{part}.so.9" for part in ("cnn", "graph", "ops")]
    own = [
        "-Wl,--enable-new-dtags",
        "-Wl,-rpath,$ORIGIN",
    ]  # a RUNPATH, as cuDNN's wheel has: it loses to LD_LIBRARY_PATH
    libs = [compile_library(home / name, f"int a{n};", (), own) for n, name in enumerate([*names, "libcudnn.so.9"])]
    compile_library(
        venv.site / "torch/_C.so",
        "",
        [venv.site / "torch/lib/libtorch_cuda.so", libs[-1]],
        ["-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN/lib:$ORIGIN/../nvidia/cudnn/lib"],
    )
    venv.add("nvidia-cudnn-cu12", "9.1.0.70", files={str(path.relative_to(venv.site)): None for path in libs})
    assert not [c for c in libraries.check(str(venv.path))["findings"] if c["code"].startswith("CUDNN")]

    other = compile_library(
        tmp_path / "cudnn/libcudnn_ops.so.9", "char b[9999] = {1}; int c(void) { return 3; }"
    ).parent
    mixed = findings(libraries.check(str(venv.path), str(other)), "CUDNN-MIXED")[0]
    assert (mixed["level"], mixed["cause"], mixed["path"]) == (
        "runtime",
        "environment",
        str(other / "libcudnn_ops.so.9"),
    )

    libs[2].unlink()
    gone = findings(libraries.check(str(venv.path)), "CUDNN")[0]
    assert (gone["level"], gone["package"], gone["path"]) == ("runtime", "nvidia-cudnn-cu12", str(libs[2]))


def test_a_version_that_a_library_does_not_define(tmp_path: Path) -> None:
    venv = torch_venv(tmp_path / "venv")
    plain, script = "int helper(void) { return 1; }", "HELP_1 { global: *; };\n"
    new = compile_library(tmp_path / "new/libhelp.so.1", plain, versions=script.replace("HELP_1", "HELP_2"))
    compile_library(tmp_path / "old/libhelp.so.1", plain, versions=script)
    use = "int helper(void);\nint start(void) { return helper(); }"
    compile_library(venv.site / "torch/_C.so", use, [new])
    venv.add("torch", "2.6.0", files={"torch/_C.so": None, "torch/__init__.py": None})
    answer = libraries.check(str(venv.path), str(tmp_path / "old"))
    found = findings(answer, "SYMBOL-VERSION")[0]
    assert (answer["verdict"], found["cause"]) == ("import-fails", "environment")
    assert "version `HELP_2' not found" in found["message"]
    assert not really_loads(venv, str(tmp_path / "old"))
    assert not findings(libraries.check(str(venv.path), str(tmp_path / "new")), "SYMBOL-VERSION")
