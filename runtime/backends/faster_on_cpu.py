"""The processor's faster library for a job: ONNX Runtime, or OpenVINO where a measurement says that it pays.

OpenVINO takes a quarter of a second to load and compiles anew for every shape, so small jobs never ask. The first
large one measures both on one small tile, and what it learns is kept for later runs.
"""

import threading
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import UserError
from ..model.manifest import ModelManifest
from ..tiling.window_limits import OutOfMemoryError
from .backend import Backend
from .learnt_numbers import Key, Numbers, keep_numbers, kept_numbers
from .memory_probe import inputs_for
from .onnxruntime_cpu import OnnxRuntimeCpu
from .openvino_cpu import OpenVinoCpu

LARGE_JOB_PIXELS = 2**22
"""From here on a job takes seconds on one core, and the choice is worth what it costs."""
_SIDE = 256
_ROUNDS = 3
_MOST_DIFFERENCE = 1e-4
"""Of values 0..1: the bundled models' answers to pure noise differ by up to 2e-5 between the two."""


class FasterOnCpu(Backend):
    """ONNX Runtime on the processor, except that `for_job` may give OpenVINO. fp32 both: the same up to rounding."""

    def __init__(self, model: Path, *, threads: int | None = None) -> None:
        """`threads`: processor threads of one run; None: the library's choice."""
        self._model = model
        self._threads = threads
        self._cpu = OnnxRuntimeCpu(model, threads=threads)
        self._lock = threading.Lock()
        self._numbers: Numbers | None = None
        self._openvino: Backend | None = None

    @property
    def manifest(self) -> ModelManifest:
        return self._cpu.manifest

    @property
    def description(self) -> str:
        return self._cpu.description

    def run(self, noisy_BCHW: NDArray[np.float32], sigma_B: NDArray[np.float32] | None) -> NDArray[np.float32]:
        return self._cpu.run(noisy_BCHW, sigma_B)

    def bytes_per_pixel(self) -> int:
        return self._cpu.bytes_per_pixel()

    def release_memory(self) -> None:
        self._cpu.release_memory()

    def for_job(self, num_pixels: int) -> Backend:
        # Precisions other than fp32 mean another answer in each library.
        if num_pixels < LARGE_JOB_PIXELS or self.manifest.precision != "fp32":
            return self._cpu
        with self._lock:
            try:
                if self._numbers is None:
                    self._numbers = self._learnt()
                return self._opened() if openvino_pays(self._numbers, num_pixels) else self._cpu
            except (UserError, OutOfMemoryError, PackageNotFoundError):
                # There is none, or it cannot run the model.
                self._numbers = {}
                return self._cpu

    def _opened(self) -> Backend:
        if self._openvino is None:
            self._openvino = OpenVinoCpu(self._model, threads=self._threads)
        return self._openvino

    def _learnt(self) -> Numbers:
        """Kept from an earlier run or measured now. Loads OpenVINO in the second case alone."""
        key = Key(
            what="OpenVINO against ONNX Runtime",
            model_sha256=self._cpu.model_sha256,
            backend=f"{self.description}; openvino {version('openvino')}",
        )
        numbers = kept_numbers(key)
        if numbers is None:
            numbers = self._measured()
            keep_numbers(key, numbers)
        return numbers

    def _measured(self) -> Numbers:
        flat, sigma = inputs_for(self.manifest.network_input, _SIDE)
        noisy = np.random.default_rng(0).random(flat.shape, np.float32)
        start = time.perf_counter()
        openvino = self._opened()
        result = openvino.run(noisy, sigma)
        start_seconds = time.perf_counter() - start
        difference = float(np.abs(result - self._cpu.run(noisy, sigma)).max())
        backends: tuple[Backend, Backend] = (self._cpu, openvino)
        # In turns, so that what disturbs the machine disturbs both.
        rounds = [[_seconds(backend, noisy, sigma) for backend in backends] for _ in range(_ROUNDS)]
        cpu_seconds, openvino_seconds = map(min, zip(*rounds, strict=True))
        for backend in backends:
            backend.release_memory()
        return {
            "cpu_seconds_per_pixel": cpu_seconds / noisy[0, 0].size,
            "openvino_seconds_per_pixel": openvino_seconds / noisy[0, 0].size,
            "openvino_start_seconds": max(0.0, start_seconds - openvino_seconds),
            "difference": difference,
        }


def openvino_pays(numbers: Numbers, num_pixels: int) -> bool:
    """Whether a job of so many pixels ends earlier in OpenVINO, its start included, with the same answer."""
    # An answer that is not finite compares as different.
    if not numbers or not numbers["difference"] <= _MOST_DIFFERENCE:
        return False
    cpu_seconds = num_pixels * numbers["cpu_seconds_per_pixel"]
    return num_pixels * numbers["openvino_seconds_per_pixel"] + numbers["openvino_start_seconds"] < cpu_seconds


def _seconds(backend: Backend, noisy: NDArray[np.float32], sigma: NDArray[np.float32] | None) -> float:
    start = time.perf_counter()
    backend.run(noisy, sigma)
    return time.perf_counter() - start
