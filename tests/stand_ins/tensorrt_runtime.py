"""A stand-in for the part of `tensorrt` that runs engines: they compute with ONNX Runtime, on a simulated GPU.

A plan of this TensorRT is JSON: the model file, and the shapes its inputs take.
"""

import hashlib
import json
import types
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np
from hinas.runtime.backends.onnxruntime_cpu import OnnxRuntimeCpu
from hinas.runtime.engines.engine_file import Engine, EngineKey, InputShapes, write_engine
from hinas.runtime.engines.gpu import Gpu

from .recorded_uses import Recorded, RecordedType
from .simulated_gpu import SimulatedGpu

VERSION = "10.16.1.11"


def write_engine_for(
    model: Path,
    gpu: Gpu,
    *,
    smallest: tuple[int, int] | None = None,
    largest: tuple[int, int] = (64, 64),
    batch: tuple[int, int] = (1, 1),
    version: str = VERSION,
    path: Path | None = None,
    **changes: Any,
) -> Path:
    """An engine file for this model: beside it, or at `path`. `batch`: fewest and most windows."""
    manifest = OnnxRuntimeCpu(model, threads=1).manifest
    low = smallest or (manifest.alignment,) * 2
    ends = [(batch[0], manifest.channels, *low), (batch[1], manifest.channels, *largest)]
    inputs = [InputShapes(name="noisy", smallest=ends[0], typical=ends[1], largest=ends[1])]
    if manifest.conditioned:
        inputs.append(InputShapes(name="sigma", smallest=batch[:1], typical=batch[1:], largest=batch[1:]))
    key = {
        "model_sha256": hashlib.sha256(model.read_bytes()).hexdigest(), "inputs": tuple(inputs), "precision": "fp32",
        "optimisation_level": 3, "workspace_bytes": None, "version_compatible": False, "hardware_compatible": False,
        "tensorrt_version": version, "gpu": gpu, "recipe": 1,
    }  # fmt: skip
    limits = {item.name: [item.smallest, item.largest] for item in inputs}
    plan = json.dumps({"model": str(model), "limits": limits}).encode()
    engine = Engine(key=EngineKey(**key | changes), manifest=manifest, layers="{}", plan=plan)
    path = path or model.with_suffix(".engine")
    write_engine(engine, path)
    return path


def make_tensorrt(gpu: SimulatedGpu, version: str = VERSION, *, starts: bool = True) -> Any:
    """A module that runs engines as this version of TensorRT does. `uses` as in `make_stand_in` of the export's."""
    uses: list[dict[str, Any]] = []

    class Root(Recorded, metaclass=RecordedType):
        pass

    Root.uses = uses

    class ILogger(Root):
        INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

        def log(self, severity: int, msg: str) -> None:
            raise NotImplementedError

    class IExecutionContext(Root):
        def __init__(self, plan: dict[str, Any], backend: OnnxRuntimeCpu, logger: ILogger) -> None:
            self._plan, self._backend, self._logger = plan, backend, logger
            self._shapes: dict[str, tuple[int, ...]] = {}
            self._addresses: dict[str, int] = {}
            self._warm_shapes: dict[str, tuple[int, ...]] = {}

        def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
            low, high = self._plan["limits"][name]
            if not all(a <= b <= c for a, b, c in zip(low, shape, high, strict=True)):
                return False
            self._shapes[name] = tuple(shape)
            return True

        def set_tensor_address(self, name: str, memory: int) -> bool:
            self._addresses[name] = memory
            return True

        def execute_async_v3(self, stream_handle: int) -> bool:
            stream = gpu.streams[stream_handle]
            if stream.captured is not None and self._warm_shapes != self._shapes:
                raise AssertionError("captured before a run of this shape")
            if stream.captured is not None and not gpu.can_capture:
                self._logger.log(ILogger.ERROR, "operation not permitted when stream is capturing")
                return False
            shapes, self._warm_shapes = dict(self._shapes), dict(self._shapes)
            buffers = {name: gpu.buffers[address] for name, address in self._addresses.items()}
            inputs = {name: buffer for name, buffer in buffers.items() if name != "denoised"}

            def work() -> None:
                assert shapes == self._shapes, "a graph of another shape"
                gpu.num_runs += 1
                feeds = {}
                for name, buffer in inputs.items():
                    size = 4 * int(np.prod(shapes[name]))
                    feeds[name] = buffer.values[:size].view(np.float32).reshape(shapes[name])
                result = self._backend.run(feeds["noisy"], feeds.get("sigma"))
                buffers["denoised"].values[: result.nbytes] = np.frombuffer(result.tobytes(), np.uint8)

            gpu.put(stream, inputs.values(), [buffers["denoised"]], work)
            return True

    class ICudaEngine(Root):
        def __init__(self, plan: dict[str, Any], logger: ILogger) -> None:
            self._plan, self._logger = plan, logger
            self._backend = OnnxRuntimeCpu(Path(plan["model"]), threads=1)

        @property
        def num_io_tensors(self) -> int:
            return len(self._plan["limits"]) + 1

        def get_tensor_name(self, index: int) -> str:
            return [*self._plan["limits"], "denoised"][index]

        def get_tensor_mode(self, name: str) -> int:
            return trt.TensorIOMode.OUTPUT if name == "denoised" else trt.TensorIOMode.INPUT

        def get_tensor_dtype(self, name: str) -> int:
            return self._plan.get("type", trt.DataType.FLOAT)

        def get_tensor_shape(self, name: str) -> tuple[int, ...]:
            return (-1, self._backend.manifest.channels, -1, -1) if name != "sigma" else (-1,)

        def create_execution_context(self) -> IExecutionContext | None:
            if gpu.memory_bytes < 2**20:
                self._logger.log(ILogger.ERROR, "Cuda Runtime (out of memory)")
                return None
            return IExecutionContext(self._plan, self._backend, self._logger)

    class Runtime(Root):
        engine_host_code_allowed = False

        def __init__(self, logger: ILogger) -> None:
            if not starts:
                logger.log(ILogger.ERROR, "CUDA initialization failure with error: 35")
                raise TypeError("pybind11::init(): factory function returned nullptr")
            self._logger = logger

        def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
            try:
                return ICudaEngine(json.loads(serialized_engine), self._logger)
            except ValueError:
                self._logger.log(ILogger.ERROR, "Serialization assertion magicTagRead == kMAGIC_TAG failed")
                return None

    trt: Any = types.ModuleType("tensorrt")
    trt.__version__, trt.__spec__, trt.uses = version, ModuleSpec("tensorrt", None), uses
    trt.ILogger, trt.Runtime = ILogger, Runtime
    trt.TensorIOMode = RecordedType("TensorIOMode", (Root,), {"NONE": 0, "INPUT": 1, "OUTPUT": 2})
    trt.DataType = RecordedType("DataType", (Root,), {"FLOAT": 0, "HALF": 1})
    return trt
