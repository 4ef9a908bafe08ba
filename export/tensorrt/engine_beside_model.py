"""`hinas-export --engine`: the engine beside the model file, and a report of its layers as TensorRT made them."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...atomic_files import written_whole
from ...command_line import require_libraries
from ...errors import UserError
from ...runtime.engines.engine_file import Engine, read_engine
from ...runtime.engines.gpu import Gpu, first_gpu
from .build_request import BuildRequest


def write_engine_beside(model_file: Path, request: BuildRequest, *, quiet: bool) -> tuple[Path, Engine]:
    """Build a model's engine for the GPU at hand, or take it from the cache; write it and its report.

    Returns the engine file's path and the engine. Raises UserError, saying what is missing, where TensorRT or a GPU is.
    """
    trt, gpu = tensorrt_and_gpu()
    from .engine_from_onnx import engine_for

    cached = engine_for(model_file, request, trt=trt, gpu=gpu, quiet=quiet)
    engine = read_engine(cached)
    path = model_file.with_suffix(".engine")
    with written_whole(path) as engine_file, written_whole(path.with_suffix(".engine.json")) as report_file:
        engine_file.write_bytes(cached.read_bytes())
        report_file.write_text(EngineReport(engine).to_json(), encoding="utf-8")
    return path, engine


def tensorrt_and_gpu() -> tuple[Any, Gpu]:
    """The module `tensorrt`, and the GPU that it builds for. UserError, saying what is missing, where either is."""
    require_libraries("--engine", "tensorrt", "pycuda", "filelock", extras="gpu")
    return _imported_tensorrt(), first_gpu()


def _imported_tensorrt() -> Any:
    try:
        import tensorrt  # pyright: ignore[reportMissingImports]
    except (ImportError, OSError) as error:
        raise UserError(f"--engine: TensorRT is installed, but does not load ({error})") from error
    return tensorrt


@dataclass(frozen=True)
class EngineReport:
    """What was built, for what, and its layers as TensorRT tells them."""

    engine: Engine

    def to_json(self) -> str:
        """The report file's text."""
        report = {
            "key": self.engine.key.to_json(),
            "plan_bytes": len(self.engine.plan),
            "layers": _layers(self.engine),
        }
        return json.dumps(report, indent=1) + "\n"

    def to_table(self) -> str:
        """The report as lines for a person."""
        key = self.engine.key
        noisy = key.inputs[0]
        layers = _layers(self.engine)
        kinds = Counter(str(layer.get("LayerType", "?")) for layer in layers if isinstance(layer, dict))
        rows = {
            "engine": f"TensorRT {key.tensorrt_version}, {key.precision}, {key.gpu}",
            f"input {'(N, H, W, C)' if self.engine.manifest.io == 'uint8' else '(N, C, H, W)'}": " .. ".join(
                "x".join(map(str, shape)) for shape in dict.fromkeys((noisy.smallest, noisy.typical, noisy.largest))
            ),
            "layers": f"{len(layers)} ({', '.join(f'{number} {kind}' for kind, number in kinds.most_common())})",
            "size": f"{len(self.engine.plan):,} bytes",
        }
        wide = max(map(len, rows))
        return "\n".join(f"{name:<{wide}}  {value}" for name, value in rows.items())


def _layers(engine: Engine) -> list[Any]:
    """The inspector's list; empty where its text is no JSON, which some versions give for some names of layers."""
    try:
        return json.loads(engine.layers)["Layers"]
    except (ValueError, KeyError):
        return []
