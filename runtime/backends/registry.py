"""The backends by the names that `--backend` takes. A backend asked for by name is never replaced by another."""

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from ...errors import UserError
from .interface import Backend

_ENGINE_SUFFIX = ".engine"


def _tensorrt(model: Path, threads: int | None) -> Backend:
    from .tensorrt_engine import TensorRtEngine

    return TensorRtEngine(model)


def _cuda(model: Path, threads: int | None) -> Backend:
    from .onnxruntime_cuda import OnnxRuntimeCuda

    return OnnxRuntimeCuda(model, threads=threads)


def _openvino(model: Path, threads: int | None) -> Backend:
    from .openvino_cpu import OpenVinoCpu

    return OpenVinoCpu(model, threads=threads)


def _cpu(model: Path, threads: int | None) -> Backend:
    from .onnxruntime_cpu import OnnxRuntimeCpu

    return OnnxRuntimeCpu(model, threads=threads)


_OPEN: dict[str, Callable[[Path, int | None], Backend]] = {
    "tensorrt": _tensorrt,
    "cuda": _cuda,
    "openvino": _openvino,
    "cpu": _cpu,
}
BACKEND_NAMES = ("auto", *_OPEN)


def open_backend(name: str, model: Path, *, threads: int | None = None) -> Backend:
    """Make `model` ready to run.

    `auto`: tensorrt where an engine lies beside the model, else cuda where ONNX Runtime is built for it, else cpu; a
    GPU's backend that is installed and does not open is passed over with a warning that says why. `threads`: processor
    threads, None leaves the number to the library.
    Raises UserError for a name that is unknown, for a library that is not installed, and for a file that is no hinas
    model.
    """
    if name not in BACKEND_NAMES:
        raise UserError(f"backend {name!r}: no such backend; allowed: {', '.join(BACKEND_NAMES)}")
    if model.suffix == _ENGINE_SUFFIX:
        if name not in ("auto", "tensorrt"):
            raise UserError(f"{model}: backend {name!r} does not run engines; use tensorrt, or give the .onnx file")
        name = "tensorrt"
    if name != "auto":
        return _OPEN[name](model, threads)
    for candidate in _installed_for_gpu(model):
        try:
            return _OPEN[candidate](model, threads)
        except UserError as error:
            warnings.warn(f"backend {candidate} is not used: {error}", stacklevel=2)
    return _cpu(model, threads)


def _installed_for_gpu(model: Path) -> list[str]:
    """The GPU's backends that could run this model here, fastest first."""
    found = []
    has_tensorrt = find_spec("tensorrt") is not None and find_spec("pycuda") is not None
    if has_tensorrt and model.with_suffix(_ENGINE_SUFFIX).is_file():
        found.append("tensorrt")
    if find_spec("onnxruntime") is not None:
        from .onnxruntime_cuda import has_cuda_provider
        from .onnxruntime_session import imported_onnxruntime

        if has_cuda_provider(imported_onnxruntime(extras="cpu")):
            found.append("cuda")
    return found
