"""The few functions of NVIDIA's driver that neither pycuda 2026.1 nor ONNX Runtime offers, through ctypes.

Names as the driver's library exports them; signatures from CUDA's header `cuda.h`.
"""

import ctypes
import sys
import weakref
from collections.abc import Callable
from typing import Any

_THREAD_LOCAL = 1
"""CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: what other threads do meanwhile does not break a capture."""


class CudaDriverError(RuntimeError):
    """A function of the driver failed."""


def driver_library() -> Any:
    """The driver's library; raises OSError where it is not installed."""
    return ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")


class CudaGraph:
    """Work on a stream, captured once and launched as a whole: the processor issues one call for all its kernels."""

    def __init__(self, driver: Any, stream_handle: int, work: Callable[[], None]) -> None:
        """Capture what `work` issues to the stream; it is not run. Raises CudaDriverError where that is impossible."""
        self._driver = driver
        self._stream = ctypes.c_void_p(stream_handle)
        graph, self._executable = ctypes.c_void_p(), ctypes.c_void_p()
        _require(driver, driver.cuStreamBeginCapture_v2(self._stream, ctypes.c_int(_THREAD_LOCAL)))
        try:
            work()
        finally:
            # Also after a failure: it is what takes the stream out of capturing.
            ended = driver.cuStreamEndCapture(self._stream, ctypes.byref(graph))
        _require(driver, ended)
        try:
            flags = ctypes.c_ulonglong(0)
            _require(driver, driver.cuGraphInstantiateWithFlags(ctypes.byref(self._executable), graph, flags))
        finally:
            driver.cuGraphDestroy(graph)
        weakref.finalize(self, driver.cuGraphExecDestroy, self._executable)

    def launch(self) -> None:
        """Run the work on its stream. Raises CudaDriverError."""
        _require(self._driver, self._driver.cuGraphLaunch(self._executable, self._stream))


def gpu_name(driver: Any) -> str:
    """Of the first GPU that CUDA shows. Raises CudaDriverError."""
    name = ctypes.create_string_buffer(256)
    _require(driver, driver.cuDeviceGetName(name, ctypes.c_int(len(name)), _first_device(driver)))
    return name.value.decode()


def pci_bus_id(driver: Any) -> str:
    """Where the first GPU that CUDA shows is plugged in, such as 0000:01:00.0. Raises CudaDriverError."""
    place = ctypes.create_string_buffer(32)
    _require(driver, driver.cuDeviceGetPCIBusId(place, ctypes.c_int(len(place)), _first_device(driver)))
    return place.value.decode()


def free_memory_bytes(driver: Any) -> int:
    """Free memory of the first GPU, in bytes. Raises CudaDriverError."""
    context, popped = ctypes.c_void_p(), ctypes.c_void_p()
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    device = _first_device(driver)
    _require(driver, driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device))
    try:
        _require(driver, driver.cuCtxPushCurrent_v2(context))
        try:
            _require(driver, driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)))
        finally:
            driver.cuCtxPopCurrent_v2(ctypes.byref(popped))
    finally:
        driver.cuDevicePrimaryCtxRelease_v2(device)
    return free.value


def _first_device(driver: Any) -> ctypes.c_int:
    device = ctypes.c_int()
    _require(driver, driver.cuInit(ctypes.c_uint(0)))
    _require(driver, driver.cuDeviceGet(ctypes.byref(device), ctypes.c_int(0)))
    return device


def _require(driver: Any, status: int) -> None:
    if status == 0:
        return
    name = ctypes.c_char_p()
    driver.cuGetErrorName(ctypes.c_int(status), ctypes.byref(name))
    raise CudaDriverError((name.value or b"error %d" % status).decode())
