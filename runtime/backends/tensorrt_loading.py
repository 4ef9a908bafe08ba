"""Find a model's engine file, make sure that it is this model's, this TensorRT's and this GPU's, and load it."""

import hashlib
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...installation import install_advice
from ..engines.engine_file import Engine, read_engine
from ..engines.gpu import Gpu, first_gpu
from .graph_check import GraphInput, check_interface

ENGINE_SUFFIX = ".engine"
_HOW = "build it here: hinas-export GENOTYPE --engine"


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedEngine:
    """An engine on the GPU."""

    file: Engine
    trt: Any
    """The module `tensorrt`."""
    cuda: Any
    """The module `pycuda.driver`."""
    gpu: Gpu
    primary_context: Any
    """pycuda's; ONNX Runtime and torch use the same one."""
    log: Any
    """Its list `errors` holds what TensorRT called an error."""
    engine: Any
    """`ICudaEngine`."""
    runtime: Any
    """`tensorrt.Runtime`: must live as long as its engine."""

    def is_current(self) -> AbstractContextManager[None]:
        """While it is entered, this thread's CUDA calls go to the GPU that holds the engine."""
        return current(self.cuda, self.primary_context)


@contextmanager
def current(cuda: Any, context: Any) -> Any:
    """Make a CUDA context this thread's, and give back the one that was before."""
    context.push()
    try:
        yield
    finally:
        cuda.Context.pop()


def engine_path(model: Path) -> Path:
    """The engine file of a model file: beside it, under its name. An engine file is its own."""
    return model.with_suffix(ENGINE_SUFFIX)


def load_engine(model: Path) -> LoadedEngine:
    """Load a model's engine for the first GPU. `model`: an engine file, or an ONNX file with the engine beside it.

    Code within version-compatible engines runs: load no engine that you would not run as a program.
    Raises UserError where something is missing, damaged, or of another model, TensorRT or GPU.
    """
    path = engine_path(model)
    if not path.is_file():
        raise UserError(f"{model}: no TensorRT engine beside it ({path.name}); {_HOW}")
    trt = _imported_tensorrt()
    gpu = first_gpu()
    import pycuda.driver as cuda  # pyright: ignore[reportMissingImports]

    file = read_engine(path)
    _require_same_model(file, path, model)
    _require_fit(file, path, trt.__version__, gpu)
    context = cuda.Device(0).retain_primary_context()
    log = message_log(trt)
    with current(cuda, context):
        try:
            runtime = trt.Runtime(log)
        except TypeError as error:  # how the bindings say that the library gave them nothing
            raise UserError(f"TensorRT cannot start on this machine: {_said(log)}") from error
        # Such a plan brings TensorRT code of its own; without the permission it is not loaded.
        runtime.engine_host_code_allowed = file.key.version_compatible
        engine = runtime.deserialize_cuda_engine(file.plan)
        if engine is None:
            raise UserError(
                f"{path}: TensorRT {trt.__version__} on {gpu} does not load it; it was built with TensorRT "
                f"{file.key.tensorrt_version} for {file.key.gpu} ({_said(log)}); {_HOW}"
            )
        _check_tensors(file, engine, trt, path)
    return LoadedEngine(
        file=file, trt=trt, cuda=cuda, gpu=gpu, primary_context=context, log=log, engine=engine, runtime=runtime
    )


def _require_same_model(file: Engine, path: Path, model: Path) -> None:
    if path == model:
        return
    try:
        digest = hashlib.sha256(model.read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"{model}: cannot read the model file ({error.strerror})") from error
    if digest != file.key.model_sha256:
        raise UserError(f"{path}: built from another model than {model.name} is now; {_HOW}")


def _require_fit(file: Engine, path: Path, version: str, gpu: Gpu) -> None:
    """What TensorRT would find out too, but says in riddles."""
    key = file.key
    if key.tensorrt_version != version and not key.version_compatible:
        raise UserError(f"{path}: built with TensorRT {key.tensorrt_version}, but {version} is installed; {_HOW}")
    # The size of the memory differs a little from driver to driver.
    if replace(key.gpu, memory_bytes=gpu.memory_bytes) != gpu and not key.hardware_compatible:
        raise UserError(f"{path}: built for {key.gpu}, but this is {gpu}; {_HOW}")


def _check_tensors(file: Engine, engine: Any, trt: Any, path: Path) -> None:
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    is_input = {name: engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT for name in names}
    inputs: dict[str, GraphInput] = {}
    for name in (name for name in names if is_input[name]):
        shape = tuple(engine.get_tensor_shape(name))
        kind = "float32" if engine.get_tensor_dtype(name) == trt.DataType.FLOAT else "of another type"
        inputs[name] = GraphInput(kind, shape)
    try:
        outputs = [name for name in names if not is_input[name]]
        check_interface(file.manifest, inputs, outputs, float_type="float32")
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _imported_tensorrt() -> Any:
    try:
        import tensorrt  # pyright: ignore[reportMissingImports]
    except (ImportError, OSError) as error:
        raise UserError(f"TensorRT is not installed, or does not load: {install_advice('gpu')} ({error})") from error
    return tensorrt


def _said(log: Any) -> str:
    return "; ".join(log.errors) or "it gives no reason"


def message_log(trt: Any) -> Any:
    """A new `ILogger` of this TensorRT whose list `errors` collects what it calls an error."""

    class MessageLog(trt.ILogger):
        def __init__(self) -> None:
            # The bindings ask for exactly this call.
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, msg: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.errors.append(msg)

    return MessageLog()
