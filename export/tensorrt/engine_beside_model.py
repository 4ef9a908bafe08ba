"""`hinas-export --engine`: the engine and its report beside the model file."""

from pathlib import Path
from typing import Any

from ...atomic_files import written_whole
from ...command_line import require_libraries
from ...errors import UserError
from ...runtime.engines.engine_file import Engine, read_engine
from ...runtime.engines.gpu import first_gpu
from .build_request import BuildRequest


def write_engine_beside(model_file: Path, request: BuildRequest, *, quiet: bool) -> tuple[Path, Engine]:
    """Build a model's engine for the GPU at hand, or take it from the cache; write it and its report.

    Returns the engine file's path and the engine. Raises UserError, saying what is missing, where TensorRT or a GPU is.
    """
    require_libraries("--engine", "tensorrt", "pycuda", "filelock", extras="gpu")
    from .engine_from_onnx import engine_for
    from .engine_report import EngineReport

    cached = engine_for(model_file, request, trt=_imported_tensorrt(), gpu=first_gpu(), quiet=quiet)
    engine = read_engine(cached)
    path = model_file.with_suffix(".engine")
    with written_whole(path) as engine_file, written_whole(path.with_suffix(".engine.json")) as report_file:
        engine_file.write_bytes(cached.read_bytes())
        report_file.write_text(EngineReport(engine).to_json(), encoding="utf-8")
    return path, engine


def _imported_tensorrt() -> Any:
    try:
        import tensorrt  # pyright: ignore[reportMissingImports]
    except (ImportError, OSError) as error:
        raise UserError(f"--engine: TensorRT is installed, but does not load ({error})") from error
    return tensorrt
