"""Other releases' way of loading CUDA libraries before torch, put into the torch/__init__.py of 2.6.0 or 2.8.0.

Torch 2.5.1 and older load none (release sources). Torch 2.10.0 loads all, libcublas before libcublasLt, wherever "libcudart.so"
is mapped; only the order, the condition and the names of its functions are its own here, the text is not.
"""

from __future__ import annotations

import re

_CALL = re.compile(r'^ +_preload_cuda_deps\("(?:cuda_nvrtc|nvjitlink)", .*\n', re.M)
_ORDER_2_10 = (
    ("cublas", "libcublas.so.*[0-9]"),
    ("cublas", "libcublasLt.so.*[0-9]"),
    ("cudnn", "libcudnn.so.*[0-9]"),
    ("cuda_nvrtc", "libnvrtc.so.*[0-9]"),
    ("cuda_nvrtc", "libnvrtc-builtins.so.*[0-9]"),
    ("cuda_runtime", "libcudart.so.*[0-9]"),
    ("cuda_cupti", "libcupti.so.*[0-9]"),
    ("cufft", "libcufft.so.*[0-9]"),
    ("curand", "libcurand.so.*[0-9]"),
    ("nvjitlink", "libnvJitLink.so.*[0-9]"),
    ("cusparse", "libcusparse.so.*[0-9]"),
    ("cusparselt", "libcusparseLt.so.*[0-9]"),
    ("cusolver", "libcusolver.so.*[0-9]"),
    ("nccl", "libnccl.so.*[0-9]"),
    ("cufile", "libcufile.so.*[0-9]"),
)
_HEAD = "# See Note [Global dependencies]\ndef _load_global_deps"


def none(text: str) -> str:
    """Torch 2.5.1 and older. ValueError where the text is not as in 2.6.0 to 2.8.0."""
    changed, count = _CALL.subn("", text)
    if count != 2:
        raise ValueError(f"{count} preload calls, not 2")
    return changed


def as_2_10(text: str) -> str:
    """Torch 2.10.0. ValueError where the text is not as in 2.8.0."""
    rows = "\n".join(f'        ("{folder}", "{name}"),' for folder, name in _ORDER_2_10)
    loop = (
        f"def _preload_cuda_deps(required: bool = True) -> None:\n    cuda_libs: list[tuple[str, str]] = [\n{rows}\n    ]\n"
        "    for lib_folder, lib_name in cuda_libs:\n        try:\n            _preload_cuda_lib(lib_folder, lib_name)\n"
        "        except ValueError:\n            if required:\n                raise\n\n\n"
    )
    text = none(text).replace("def _preload_cuda_deps(lib_folder", "def _preload_cuda_lib(lib_folder")
    changed, count = re.subn(
        r'( +)if "nvidia/cuda_runtime/lib/libcudart.so" not in _maps:\n.*\n(?: +#.*\n)*',
        r'\1if "libcudart.so" not in _maps:\n\1    return\n\1_preload_cuda_deps(required=False)\n',
        text,
    )
    if count != 1 or _HEAD not in changed:
        raise ValueError("not the text of torch 2.8.0")
    fallback = r" +for lib_folder, lib_name in cuda_libs\.items\(\):\n +_preload_cuda_deps\(lib_folder, lib_name\)\n"
    changed = re.sub(fallback, "        _preload_cuda_deps()\n", changed)
    return changed.replace(_HEAD, loop + _HEAD)
