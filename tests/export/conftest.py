"""A stand-in for the module `tensorrt`, so that the whole build path runs without TensorRT and without a GPU.

It behaves as hinas needs TensorRT to, refuses what TensorRT would, and writes down every name that is used:
`test_tensorrt_bindings.py` then holds each of them to the real bindings.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hinas.runtime.backends.onnxruntime_cpu import OnnxRuntimeCpu
from hinas.runtime.engines.gpu import Gpu
from stand_ins.recorded_uses import Recorded, RecordedType


def make_stand_in(
    version: str,
    *,
    refused: str | None = None,
    fails: str | None = None,
    starts: bool = True,
    during_build: Callable[[], None] = lambda: None,
) -> Any:
    """A module that behaves like this version of TensorRT.

    `refused`: an operator that the parser refuses; `fails`: what the builder says when it gives no plan; `starts`:
    whether there is a driver; `during_build` is called in the middle of a build.
    """
    uses: list[dict[str, Any]] = []
    major = int(version.split(".")[0])

    class Root(Recorded, metaclass=RecordedType):
        pass

    Root.uses = uses

    def enumeration(name: str, members: str) -> type:
        return RecordedType(name, (Root,), {member: number for number, member in enumerate(members.split())})

    class ILogger(Root):
        INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

        def log(self, severity: int, msg: str) -> None:
            raise NotImplementedError

    class IHostMemory(Root):
        def __init__(self, content: bytes) -> None:
            self._content = content

        def __bytes__(self) -> bytes:
            return self._content

    class INetworkDefinition(Root):
        def __init__(self, flags: int) -> None:
            self._flags, self._model = flags, b""

    class ParserError(Root):
        def __init__(self, index: int, node: onnx.NodeProto) -> None:
            self._index, self._node = index, node

        def desc(self) -> str:
            return f"no importer for {self._node.op_type}"

        def node(self) -> int:
            return self._index

        if major >= 10:

            def node_name(self) -> str:
                return self._node.name

            def node_operator(self) -> str:
                return self._node.op_type

    class OnnxParser(Root):
        num_errors = 0

        def __init__(self, network: INetworkDefinition, logger: ILogger) -> None:
            self._network, self._errors = network, []

        def parse(self, model: bytes, path: str | None = None) -> bool:
            nodes = onnx.load_from_string(model).graph.node
            self._errors = [ParserError(index, node) for index, node in enumerate(nodes) if node.op_type == refused]
            object.__setattr__(self, "num_errors", len(self._errors))
            self._network._model = model
            return not self._errors

        def get_error(self, index: int) -> ParserError:
            return self._errors[index]

    class ITimingCache(Root):
        def __init__(self, content: bytes) -> None:
            self._content = content

        def serialize(self) -> IHostMemory:
            return IHostMemory(b"timings of " + version.encode())

    class IOptimizationProfile(Root):
        def __init__(self) -> None:
            self._shapes: dict[str, tuple[tuple[int, ...], ...]] = {}

        def set_shape(self, input: str, min: tuple[int, ...], opt: tuple[int, ...], max: tuple[int, ...]) -> None:
            self._shapes[input] = (min, opt, max)

    class IBuilderConfig(Root):
        builder_optimization_level = 3
        profiling_verbosity = 0
        hardware_compatibility_level = 0
        if major >= 10:
            progress_monitor: Any = None

        def __init__(self) -> None:
            self._flags, self._pools, self._profiles = {"TF32"}, {}, []
            self._timing: ITimingCache | None = None

        def set_flag(self, flag: int) -> None:
            self._flags.add(flag_names[flag])

        def clear_flag(self, flag: int) -> None:
            self._flags.discard(flag_names[flag])

        def set_memory_pool_limit(self, pool: int, pool_size: int) -> None:
            self._pools[pool] = pool_size

        def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
            self._profiles.append(profile._shapes)
            return len(self._profiles) - 1

        def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache:
            return ITimingCache(serialized_timing_cache)

        def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
            fits = cache._content in (b"", b"timings of " + version.encode()) or ignore_mismatch
            self._timing = cache if fits else self._timing
            return fits

        def get_timing_cache(self) -> ITimingCache:
            assert self._timing is not None
            return self._timing

    class Builder(Root):
        def __init__(self, logger: ILogger) -> None:
            if not starts:
                logger.log(ILogger.ERROR, "CUDA initialization failure with error: 35")
                raise TypeError("pybind11::init(): factory function returned nullptr")
            self._logger = logger

        def create_network(self, flags: int = 0) -> INetworkDefinition:
            return INetworkDefinition(flags)

        def create_builder_config(self) -> IBuilderConfig:
            return IBuilderConfig()

        def create_optimization_profile(self) -> IOptimizationProfile:
            return IOptimizationProfile()

        def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig) -> IHostMemory | None:
            monitor = vars(config).get("progress_monitor")
            if monitor is not None:
                monitor.phase_start("Building Engine", None, 2)
                monitor.phase_start("Tactics", "Building Engine", 1)
                monitor.step_complete("Tactics", 0)
                monitor.phase_finish("Tactics")
            during_build()
            goes_on = monitor is None or monitor.step_complete("Building Engine", 0)
            if monitor is not None:
                monitor.phase_finish("Building Engine")
            if fails is not None:
                self._logger.log(ILogger.ERROR, fails)
            trt.builds.append({"network": network, "config": config, "goes_on": goes_on})
            return IHostMemory(b"plan " * 100) if goes_on and fails is None else None

    class EngineInspector(Root):
        def get_engine_information(self, format: int) -> str:
            return json.dumps({"Layers": [{"Name": "a", "LayerType": "Convolution"}], "Bindings": ["noisy"]})

    class IExecutionContext(Root):
        def __init__(self) -> None:
            self._shapes: dict[str, tuple[int, ...]] = {}
            self._addresses: dict[str, int] = {}

        def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
            self._shapes[name] = shape
            return True

        def get_tensor_shape(self, name: str) -> tuple[int, ...]:
            return self._shapes["noisy"]

        def set_tensor_address(self, name: str, memory: int) -> bool:
            self._addresses[name] = memory
            return True

        def execute_async_v3(self, stream_handle: int) -> bool:
            trt.runs.append((self._shapes, self._addresses))
            return True

    class ICudaEngine(Root):
        def create_engine_inspector(self) -> EngineInspector:
            return EngineInspector()

        def create_execution_context(self) -> IExecutionContext:
            return IExecutionContext()

    class Runtime(Root):
        engine_host_code_allowed = False

        def __init__(self, logger: ILogger) -> None:
            pass

        def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine:
            return ICudaEngine()

    flags = "TF32 VERSION_COMPATIBLE" + " FP16 INT8" * (major < 11) + " BF16" * (major == 10)
    flag_names = dict(enumerate(flags.split()))

    class Module:
        def __getattr__(self, name: str) -> Any:
            raise AttributeError(f"module 'tensorrt' {version} has no attribute {name!r}")

    trt: Any = Module()
    trt.__version__ = version
    trt.uses, trt.builds, trt.runs = uses, [], []
    for kind in (ILogger, OnnxParser, Builder, Runtime):
        setattr(trt, kind.__name__, kind)
    trt.BuilderFlag = enumeration("BuilderFlag", flags)
    creation = {8: "EXPLICIT_BATCH", 10: "EXPLICIT_BATCH STRONGLY_TYPED", 11: "STRONGLY_TYPED"}[major]
    trt.NetworkDefinitionCreationFlag = enumeration("NetworkDefinitionCreationFlag", creation)
    trt.MemoryPoolType = enumeration("MemoryPoolType", "WORKSPACE")
    trt.ProfilingVerbosity = enumeration("ProfilingVerbosity", "LAYER_NAMES_ONLY DETAILED NONE")
    trt.HardwareCompatibilityLevel = enumeration("HardwareCompatibilityLevel", "NONE AMPERE_PLUS")
    trt.LayerInformationFormat = enumeration("LayerInformationFormat", "ONELINE JSON")
    if major >= 10:

        class IProgressMonitor(Root):
            def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
                raise NotImplementedError

            def step_complete(self, phase_name: str, step: int) -> bool:
                raise NotImplementedError

            def phase_finish(self, phase_name: str) -> None:
                raise NotImplementedError

        trt.IProgressMonitor = IProgressMonitor
    return trt


class _Cuda:
    """As much of `pycuda.driver` as a check needs: one array a buffer, and a GPU that answers as ONNX Runtime does."""

    def __init__(self, model: Path, error: float) -> None:
        self.handle = 1
        self._model, self._error = model, error
        self._inputs: list[np.ndarray] = []

    def Stream(self) -> "_Cuda":  # noqa: N802
        self._inputs.clear()
        return self

    def Event(self) -> "_Cuda":  # noqa: N802
        return self

    def mem_alloc(self, num_bytes: int) -> int:
        return num_bytes

    def memcpy_htod(self, to: int, source: np.ndarray) -> None:
        self._inputs.append(source)

    def memcpy_dtoh(self, to: np.ndarray, source: int) -> None:
        noisy, *sigma = self._inputs
        to[...] = OnnxRuntimeCpu(self._model).run(noisy, sigma[0] if sigma else None) + self._error

    def record(self, stream: Any) -> None: ...

    def synchronize(self) -> None: ...

    def time_since(self, start: Any) -> float:
        return 1.0


@pytest.fixture(scope="session")
def cuda_stand_in() -> Callable[..., Any]:
    """(model, error added to its output) -> a stand-in for the module `pycuda.driver`."""
    return lambda model, error=0.0: _Cuda(model, error)


@pytest.fixture(scope="session")
def stand_in() -> Callable[..., Any]:
    """version -> a new stand-in for the module `tensorrt`."""
    return make_stand_in


@pytest.fixture(scope="session")
def gpus() -> dict[str, Gpu]:
    """GPUs by name, as NVIDIA's data sheets describe them."""
    return {
        "1080ti": _gpu("NVIDIA GeForce GTX 1080 Ti", (6, 1), 28, 11),
        "v100": _gpu("Tesla V100-SXM2-16GB", (7, 0), 80, 16),
        "2080ti": _gpu("NVIDIA GeForce RTX 2080 Ti", (7, 5), 68, 11),
        "h200": _gpu("NVIDIA H200", (9, 0), 132, 141),
    }


def _gpu(name: str, compute_capability: tuple[int, int], num_multiprocessors: int, gibibytes: int) -> Gpu:
    return Gpu(
        name=name,
        compute_capability=compute_capability,
        num_multiprocessors=num_multiprocessors,
        memory_bytes=gibibytes * 2**30,
    )
