"""The backends by the names that `--backend` takes. A backend asked for by name is never replaced by another."""

from pathlib import Path

from ...errors import UserError
from .interface import Backend

NOT_BUILT_YET = ("tensorrt", "cuda")
BACKEND_NAMES = ("auto", "cpu", "openvino", *NOT_BUILT_YET)


def open_backend(name: str, model: Path, *, threads: int | None = None) -> Backend:
    """Make `model` ready to run.

    `auto` is `cpu` in this version. `threads`: processor threads, None leaves the number to the library.
    Raises UserError for a name that is unknown or not built yet, for a library that is not installed, and
    for a file that is no hinas model.
    """
    if name in NOT_BUILT_YET:
        raise UserError(
            f"backend {name!r}: this version of hinas does not have that backend yet; use cpu, openvino or auto"
        )
    if name not in BACKEND_NAMES:
        raise UserError(f"backend {name!r}: no such backend; allowed: {', '.join(BACKEND_NAMES)}")
    if name == "openvino":
        from .openvino_cpu import OpenVinoCpu

        return OpenVinoCpu(model, threads=threads)
    from .onnxruntime_cpu import OnnxRuntimeCpu

    return OnnxRuntimeCpu(model, threads=threads)
