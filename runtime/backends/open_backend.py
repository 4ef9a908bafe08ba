"""The backends by the names that `--backend` takes. A backend asked for by name is never replaced by another."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

from ...errors import UserError
from ..model.manifest import ModelManifest, Precision
from .backend import Arithmetic, Backend, Listener

_ENGINE_SUFFIX = ".engine"

Open = Callable[[Path, int | None, Arithmetic | None], Backend]
"""Opens (model, threads, precision)."""


def _tensorrt(model: Path, threads: int | None, precision: Arithmetic | None) -> Backend:
    from .tensorrt_engine import TensorRtEngine

    return _as_asked(TensorRtEngine(model), precision, _ON_THE_GPU)


def _cuda(model: Path, threads: int | None, precision: Arithmetic | None) -> Backend:
    from .onnxruntime_cuda import OnnxRuntimeCuda

    return _as_asked(OnnxRuntimeCuda(model, threads=threads), precision, _ON_THE_GPU)


def _openvino(model: Path, threads: int | None, precision: Arithmetic | None) -> Backend:
    from .openvino_cpu import OpenVinoCpu

    return OpenVinoCpu(model, threads=threads, precision=precision)


def _cpu(model: Path, threads: int | None, precision: Arithmetic | None) -> Backend:
    from .onnxruntime_cpu import OnnxRuntimeCpu

    return _as_asked(OnnxRuntimeCpu(model, threads=threads), precision, _ON_THE_PROCESSOR)


def _faster_on_cpu(model: Path, threads: int | None, precision: Arithmetic | None) -> Backend:
    from .faster_on_cpu import FasterOnCpu

    return _as_asked(FasterOnCpu(model, threads=threads), precision, _ON_THE_PROCESSOR)


# What an int8 model leaves in floating point is fp32. ONNX Runtime opens those bf16 models alone that are fp32 graphs.
_ON_THE_PROCESSOR: dict[Precision, Arithmetic] = {"fp32": "fp32", "int8": "fp32", "bf16": "fp32"}
_ON_THE_GPU: dict[Precision, Arithmetic] = {"fp32": "fp32", "int8": "fp32", "bf16": "bf16"}


def _as_asked(backend: Backend, asked: Arithmetic | None, arithmetic: Mapping[Precision, Arithmetic]) -> Backend:
    """`backend`, or UserError where it does not compute in what was `asked`. `arithmetic`: by the file's precision."""
    precision = backend.manifest.precision
    if asked is None or arithmetic.get(precision) == asked:
        return backend
    raise UserError(
        f"precision {asked}: this backend cannot run a model written for {precision} in it ({backend.description}); "
        "use --backend openvino, or export the model in that precision"
    )


_OPEN: dict[str, Open] = {
    "tensorrt": _tensorrt,
    "cuda": _cuda,
    "openvino": _openvino,
    "cpu": _cpu,
}
BACKEND_NAMES = ("auto", *_OPEN)


def open_backend(
    name: str,
    model: Path,
    *,
    threads: int | None = None,
    precision: Arithmetic | None = None,
    listener: Listener = lambda _: None,
) -> Backend:
    """Make `model` ready to run.

    `auto`: tensorrt where an engine lies beside the model, else cuda where ONNX Runtime is built for it, else cpu, or
    openvino for large jobs where it is measured to be faster. A GPU's backend that is installed and does not open is
    passed over, and `listener` is told why. `threads`: processor threads, None leaves the number to the library.
    `precision`: of floating-point layers; None: what the model file is for. bf16 with `auto` is openvino.
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
        return _OPEN[name](model, threads, precision)
    if precision == "bf16":
        return _openvino(model, threads, precision)
    for candidate in _installed_for_gpu(model):
        try:
            return _OPEN[candidate](model, threads, precision)
        except UserError as error:
            listener(f"backend {candidate} is not used: {error}")
    return _faster_on_cpu(model, threads, precision)


def _installed_for_gpu(model: Path) -> list[str]:
    """The GPU's backends that could run this model here, fastest first."""
    has_engine = model.with_suffix(_ENGINE_SUFFIX).is_file()
    return [name for name in installed_for_gpu() if name != "tensorrt" or has_engine]


def installed_for_gpu() -> tuple[str, ...]:
    """The GPU's backends whose libraries are installed, fastest first; whether they run is another question."""
    found: list[str] = []
    if find_spec("tensorrt") is not None and find_spec("pycuda") is not None:
        found.append("tensorrt")
    if find_spec("onnxruntime") is not None:
        from .onnxruntime_cuda import has_cuda_provider
        from .onnxruntime_session import imported_onnxruntime

        if has_cuda_provider(imported_onnxruntime(extras="cpu")):
            found.append("cuda")
    return tuple(found)


def twin_in_fp32(model: Path, manifest: ModelManifest, *, threads: int | None = None) -> Backend | None:
    """A model in the same folder with the same network, trained weights and interface, in fp32, on the processor.

    None where there is none, or where the model itself computes in fp32.
    """
    if manifest.precision == "fp32":
        return None
    for file in sorted(model.parent.glob("*.onnx")):
        if file.resolve() == model.resolve():
            continue
        try:
            backend = open_backend("cpu", file, threads=threads)
        except UserError:
            continue  # not a model that hinas can run
        found = backend.manifest
        if found.precision == "fp32" and (found.genotype, found.training) == (manifest.genotype, manifest.training):
            return backend
    return None
