"""Stand-ins for `pycuda.driver` and for the functions of NVIDIA's driver library, on a simulated GPU.

They write down every name used of pycuda; `backends/test_gpu_bindings.py` looks them up in pycuda's sources.
"""

import ctypes
import sys
import threading
import types
import weakref
from importlib.machinery import ModuleSpec
from typing import Any

import numpy as np
from hinas.runtime.engines.gpu import Gpu

from .simulated_gpu import Buffer, Clock, Operation, SimulatedGpu, merged


class _Pinned(np.ndarray):
    buffer: Buffer


def make_pycuda(gpu: SimulatedGpu, device: Gpu) -> Any:
    """The module `pycuda.driver` of a machine with this GPU. `uses`: (name, number of arguments, keywords)."""
    uses: list[tuple[str, int, tuple[str, ...]]] = []
    current = threading.local()

    def recorded(function: Any) -> Any:
        def call(*arguments: Any, **keywords: Any) -> Any:
            is_method = "." in function.__qualname__.rsplit("<locals>.", 1)[-1]
            name = function.__qualname__.rsplit("<locals>.", 1)[-1].removesuffix(".__init__")
            uses.append((name, len(arguments) - is_method, tuple(sorted(keywords))))
            with gpu.lock:
                return function(*arguments, **keywords)

        return call

    def needs_context(function: Any) -> Any:
        inner = recorded(function)

        def call(*arguments: Any, **keywords: Any) -> Any:
            if not getattr(current, "stack", []):
                raise LogicError(f"{function.__qualname__}: invalid device context")
            return inner(*arguments, **keywords)

        return call

    class Error(Exception):
        pass

    class LogicError(Error):
        pass

    class MemoryError(Error):
        pass

    class Stream:
        @needs_context
        def __init__(self) -> None:
            self.simulated = gpu.stream()

        @property
        def handle(self) -> int:
            uses.append(("Stream.handle", 0, ()))
            return self.simulated.handle

        @needs_context
        def synchronize(self) -> None:
            gpu.finish(self.simulated.last, self.simulated.clock)

        @needs_context
        def wait_for_event(self, event: "Event") -> None:
            stream = self.simulated
            stream.clock = merged(stream.clock, event.clock)
            if event.operation is not None:
                stream.waits.append(event.operation)

    class Event:
        clock: Clock
        operation: Operation | None

        @needs_context
        def __init__(self, flags: int = 0) -> None:
            self.clock, self.operation = {}, None
            self.is_timed, self.is_recorded = not flags & 2, False

        @needs_context
        def record(self, stream: Stream) -> "Event":
            self.clock, self.operation = dict(stream.simulated.clock), stream.simulated.last
            self.is_recorded = True
            return self

        @needs_context
        def synchronize(self) -> "Event":
            gpu.finish(self.operation, self.clock)
            return self

        @needs_context
        def time_since(self, event: "Event") -> float:
            for end in (self, event):
                if not (end.is_timed and end.is_recorded and (end.operation is None or end.operation.is_done)):
                    raise LogicError("cuEventElapsedTime failed: device not ready, or an event without timing")
            return 1.0

    class DeviceAllocation:
        def __init__(self, buffer: Buffer) -> None:
            self.buffer = buffer
            weakref.finalize(self, gpu.free, buffer)

        def __int__(self) -> int:
            return self.buffer.address

    @needs_context
    def mem_alloc(bytes: int) -> DeviceAllocation:
        if gpu.used_bytes + bytes > gpu.memory_bytes:
            raise MemoryError("cuMemAlloc failed: out of memory")
        return DeviceAllocation(gpu.allocate(bytes))

    @needs_context
    def mem_get_info() -> tuple[int, int]:
        return gpu.memory_bytes - gpu.used_bytes, gpu.memory_bytes

    @needs_context
    def pagelocked_empty(shape: tuple[int, ...], dtype: Any, order: str = "C", mem_flags: int = 0) -> np.ndarray:
        values = np.full(shape, np.nan, dtype)
        pinned = values.view(_Pinned)
        pinned.buffer = Buffer(f"pinned {shape}", values)
        weakref.finalize(pinned, gpu.note_free, pinned.buffer)
        return pinned

    @needs_context
    def memcpy_htod_async(dest: DeviceAllocation, src: _Pinned, stream: Stream) -> None:
        # The host wrote to it a moment ago, so no copy before may still be on its way.
        src.buffer.require_free(gpu.host_clock, "the host writes")
        target, source, sent = dest.buffer, src.buffer, src.tobytes()

        def work() -> None:
            assert source.values.tobytes() == sent, f"{source.name} was changed before it was copied"
            target.values[: len(sent)] = np.frombuffer(sent, np.uint8)

        gpu.put(stream.simulated, [source], [target], work)

    @needs_context
    def memcpy_dtoh_async(dest: _Pinned, src: DeviceAllocation, stream: Stream) -> None:
        target, source = dest.buffer, src.buffer

        def work() -> None:
            target.values[...] = source.values[: target.values.nbytes].view(np.float32).reshape(target.values.shape)

        gpu.put(stream.simulated, [source], [target], work)

    class Context:
        @recorded
        def push(self) -> None:
            current.stack = [*getattr(current, "stack", []), self]

        @staticmethod
        def pop() -> None:
            uses.append(("Context.pop", 0, ()))
            current.stack = current.stack[:-1]

    class Device:
        @recorded
        def __init__(self, number: int) -> None:
            assert number == 0

        @recorded
        def name(self) -> str:
            return device.name

        @recorded
        def compute_capability(self) -> tuple[int, int]:
            return device.compute_capability

        @recorded
        def get_attribute(self, attribute: str) -> int:
            return device.num_multiprocessors

        @recorded
        def total_memory(self) -> int:
            return device.memory_bytes

        @recorded
        def retain_primary_context(self) -> Context:
            return Context()

    @recorded
    def init() -> None:
        pass

    module: Any = types.ModuleType("pycuda.driver")
    for value in (Error, LogicError, MemoryError, Stream, Event, Context, Device):
        setattr(module, value.__name__, value)
    for name, value in {
        "mem_alloc": mem_alloc, "mem_get_info": mem_get_info, "pagelocked_empty": pagelocked_empty,
        "memcpy_htod_async": memcpy_htod_async, "memcpy_dtoh_async": memcpy_dtoh_async, "init": init,
    }.items():  # fmt: skip
        setattr(module, name, value)
    module.host_alloc_flags = types.SimpleNamespace(WRITECOMBINED=4)
    module.event_flags = types.SimpleNamespace(DISABLE_TIMING=2)
    module.device_attribute = types.SimpleNamespace(MULTIPROCESSOR_COUNT="MULTIPROCESSOR_COUNT")
    module.uses, module.current = uses, current
    return module


def install_pycuda(monkeypatch: Any, driver: Any) -> None:
    """Make `import pycuda.driver` give the stand-in."""
    package: Any = types.ModuleType("pycuda")
    package.driver, package.__path__, package.__spec__ = driver, [], ModuleSpec("pycuda", None)
    monkeypatch.setitem(sys.modules, "pycuda", package)
    monkeypatch.setitem(sys.modules, "pycuda.driver", driver)


class DriverLibrary:
    """`libcuda.so.1` as ctypes gives it, as far as hinas calls it. `calls`: name and number of arguments."""

    def __init__(self, gpu: SimulatedGpu) -> None:
        self._gpu = gpu
        self._graphs: dict[int, list[Operation]] = {}
        self._executables: dict[int, list[Operation]] = {}
        self.calls: set[tuple[str, int]] = set()

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if not name.startswith("cu"):
            return value

        def call(*arguments: Any) -> int:
            self.calls.add((name, len(arguments)))
            with self._gpu.lock:
                return value(*arguments) or 0

        return call

    def cuInit(self, flags: Any) -> None: ...  # noqa: N802

    def cuDeviceGet(self, device: Any, ordinal: Any) -> None: ...  # noqa: N802

    def cuDevicePrimaryCtxRetain(self, context: Any, device: Any) -> None: ...  # noqa: N802

    def cuDevicePrimaryCtxRelease_v2(self, device: Any) -> None: ...  # noqa: N802

    def cuCtxPushCurrent_v2(self, context: Any) -> None: ...  # noqa: N802

    def cuCtxPopCurrent_v2(self, context: Any) -> None: ...  # noqa: N802

    def cuMemGetInfo_v2(self, free: Any, total: Any) -> None:  # noqa: N802
        free._obj.value = self._gpu.memory_bytes - self._gpu.used_bytes
        total._obj.value = self._gpu.memory_bytes

    def cuDeviceGetName(self, name: Any, length: Any, device: Any) -> None:  # noqa: N802
        name.value = b"Simulated GPU"

    def cuDeviceGetPCIBusId(self, place: Any, length: Any, device: Any) -> None:  # noqa: N802
        place.value = b"0000:01:00.0"

    def cuGetErrorName(self, status: Any, name: Any) -> None:  # noqa: N802
        name._obj.value = b"CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"

    def cuStreamBeginCapture_v2(self, stream: ctypes.c_void_p, mode: Any) -> None:  # noqa: N802
        self._gpu.streams[stream.value or 0].captured = []

    def cuStreamEndCapture(self, stream: ctypes.c_void_p, graph: Any) -> int:  # noqa: N802
        simulated = self._gpu.streams[stream.value or 0]
        operations, simulated.captured = simulated.captured, None
        if not self._gpu.can_capture or operations is None:
            return 901
        graph._obj.value = len(self._graphs) + 1
        self._graphs[graph._obj.value] = operations
        return 0

    def cuGraphInstantiateWithFlags(self, executable: Any, graph: ctypes.c_void_p, flags: Any) -> None:  # noqa: N802
        executable._obj.value = len(self._executables) + 1
        self._executables[executable._obj.value] = self._graphs[graph.value or 0]

    def cuGraphDestroy(self, graph: Any) -> None: ...  # noqa: N802

    def cuGraphExecDestroy(self, executable: Any) -> None: ...  # noqa: N802

    def cuGraphLaunch(self, executable: ctypes.c_void_p, stream: ctypes.c_void_p) -> None:  # noqa: N802
        self._gpu.num_launches += 1
        for operation in self._executables[executable.value or 0]:
            self._gpu.put(self._gpu.streams[stream.value or 0], operation.reads, operation.writes, operation.work)
