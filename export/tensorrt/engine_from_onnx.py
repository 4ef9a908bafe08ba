"""The TensorRT engine of a model file, out of the cache or built.

What TensorRT measured in earlier builds lies beside the cached engines, one file for each TensorRT and kind of GPU.
"""

import hashlib
import sys
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from ...atomic_files import written_whole
from ...errors import UserError
from ...runtime.engines.engine_cache import cached_engine, default_cache_folder
from ...runtime.engines.engine_file import Engine, EngineKey
from ...runtime.engines.gpu import Gpu
from ...runtime.engines.sealed_bytes import DamagedError, sealed, unsealed
from ...runtime.model.manifest import ModelManifest
from ...runtime.model.model_bytes import model_bytes
from .build_request import BuildRequest, input_shapes
from .engine_builder import RECIPE, build_plan
from .parser_support import for_older_parser, unsupported_nodes
from .versions import require_gpu_for, typing_for, version_of


def timing_cache_file(folder: Path, tensorrt_version: str, gpu: Gpu) -> Path:
    """Where the measurements of this TensorRT on this kind of GPU lie."""
    identity = hashlib.sha256(f"{tensorrt_version} {gpu!r}".encode()).hexdigest()[:32]
    return folder / f"{identity}.timing"


def read_timing_cache(path: Path) -> bytes:
    """The measurements, or nothing where there are none or the file is damaged: they only save time."""
    try:
        return unsealed(path.read_bytes())[1]
    except (OSError, DamagedError):
        return b""


def write_timing_cache(content: bytes, path: Path) -> None:
    """Replace the measurements; of two builds that end together the later one's stay."""
    with written_whole(path) as temporary:
        temporary.write_bytes(sealed({}, content))


def engine_for(
    model_file: Path,
    request: BuildRequest,
    *,
    trt: Any,
    gpu: Gpu,
    cache_folder: Path | None = None,
    quiet: bool = False,
) -> Path:
    """The engine file of a model, out of the cache or built now (minutes).

    `trt`: the imported module `tensorrt`; `gpu`: the one it builds on; `cache_folder`: None: the user's own.
    Raises UserError where the model is none of hinas or damaged, where TensorRT cannot take it, the precision or the
    GPU, and where the engine cannot be written.
    """
    folder = default_cache_folder() if cache_folder is None else cache_folder
    version = version_of(trt.__version__)
    content = model_bytes(model_file)
    model, manifest = _parsed(content, model_file)
    precision = request.precision or manifest.precision
    require_gpu_for(version, gpu, precision, hardware_compatible=request.hardware_compatible)
    typing = typing_for(version, model=manifest.precision, asked=precision)
    if version[0] < 10:
        try:
            model = for_older_parser(model)
        except UserError as error:
            raise UserError(f"{model_file}: {error}") from error
    if problems := unsupported_nodes(model, version):
        raise UserError(f"{model_file}: TensorRT {trt.__version__} does not take {'; '.join(problems)}")
    inputs = input_shapes(manifest, request)
    key = EngineKey(
        model_sha256=hashlib.sha256(content).hexdigest(),
        inputs=inputs,
        precision=precision,
        optimisation_level=request.optimisation_level,
        workspace_bytes=request.workspace_bytes,
        version_compatible=request.version_compatible,
        hardware_compatible=request.hardware_compatible,
        tensorrt_version=trt.__version__,
        gpu=gpu,
        recipe=RECIPE,
    )

    def note(text: str) -> None:
        if not quiet:
            print(text, file=sys.stderr)

    def build() -> Engine:
        note(f"building a TensorRT engine for {gpu}; this takes minutes")
        timing_file = timing_cache_file(folder, trt.__version__, gpu)
        built = build_plan(
            model,
            request,
            trt=trt,
            version=version,
            typing=typing,
            inputs=inputs,
            timing_cache=read_timing_cache(timing_file),
            quiet=quiet,
        )
        try:
            write_timing_cache(built.timing_cache, timing_file)
        except UserError as error:
            # It would only save time, and the engine took minutes.
            note(f"{error}; the next build will measure anew")
        return Engine(key=key, manifest=manifest, layers=built.layers, plan=built.plan)

    return cached_engine(folder, key, build, note=note)


def _parsed(content: bytes, path: Path) -> tuple[onnx.ModelProto, ModelManifest]:
    try:
        model = onnx.load_from_string(content)
        return model, ModelManifest.from_metadata({item.key: item.value for item in model.metadata_props})
    except DecodeError as error:
        raise UserError(f"{path}: damaged, or not an ONNX model") from error
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
