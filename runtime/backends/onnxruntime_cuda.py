"""ONNX Runtime on an NVIDIA GPU, with input and output memory on the GPU that is kept between runs of one shape.

`session.disable_cpu_ep_fallback` is not used: it refuses every graph with a Shape node, because ONNX Runtime computes
shapes on the processor on purpose. Instead the session's own list says which operations went there, where ONNX Runtime
is new enough to keep one (`get_provider_graph_assignment_info`).
"""

import contextlib
import ctypes
import io
import threading
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UserError
from ...installation import install_advice
from ..model.manifest import ModelManifest
from ..tiling.window_limits import OutOfMemoryError
from .backend import Backend, RunTimes
from .cuda_driver import driver_library, free_memory_bytes
from .memory_probe import growth_per_pixel, inputs_for
from .onnxruntime_session import checked_manifest, imported_onnxruntime, is_out_of_memory, open_session, session_options

PROVIDER = "CUDAExecutionProvider"
_DEVICE = "cuda"
_SETTINGS = {
    "device_id": 0,
    # The default doubles the arena with every extension; tiles of one size need what they need.
    "arena_extend_strategy": "kSameAsRequested",
    # The default, EXHAUSTIVE, times every algorithm anew for each new size of a picture.
    "cudnn_conv_algo_search": "HEURISTIC",
    # TF32 would round what a model calls fp32 to 10 bits of mantissa.
    "use_tf32": 0,
}
_ON_THE_PROCESSOR = {
    "Add", "Cast", "Concat", "Constant", "ConstantOfShape", "Div", "Equal", "Gather", "Max", "Min", "Mul", "Range",
    "Reshape", "Shape", "Size", "Slice", "Squeeze", "Sub", "Unsqueeze", "Where",
}  # fmt: skip
"""What ONNX Runtime may compute on the processor: it does so with shapes, a few whole numbers."""


class OnnxRuntimeCuda(Backend):
    """A model file in an ONNX Runtime session on the first GPU. Safe to use from several threads, which take turns."""

    def __init__(self, model: Path, *, threads: int | None = None) -> None:
        """`threads`: processor threads; they compute shapes alone. Raises UserError where the GPU is not used."""
        self._ort = ort = imported_onnxruntime(extras="gpu")
        if not has_cuda_provider(ort):
            raise UserError(
                f"onnxruntime {ort.__version__} has no {PROVIDER}; "
                f"pip uninstall onnxruntime, then {install_advice('gpu')}"
            )
        options = session_options(ort, threads)
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        with _quiet(ort):
            self._session = open_session(ort, model, options, (PROVIDER, _SETTINGS))
        if self._session.get_providers()[0] != PROVIDER:
            raise UserError(f"{PROVIDER} of onnxruntime {ort.__version__} does not start: {_reason(ort)}")
        self._manifest = checked_manifest(self._session, model)
        if left := _left_on_the_processor(self._session):
            raise UserError(f"{model}: {PROVIDER} does not take {', '.join(left)}; use --backend cpu or tensorrt")
        # From now on an error of the provider is an error, and not a reason to try the processor.
        self._session.disable_fallback()
        self._lock = threading.Lock()
        self._forget()

    @property
    def manifest(self) -> ModelManifest:
        return self._manifest

    @property
    def description(self) -> str:
        return f"onnxruntime {self._ort.__version__}, {PROVIDER}, {self._manifest.precision}, IO binding"

    def run(self, noisy_BCHW: NDArray[np.float32], sigma_B: NDArray[np.float32] | None) -> NDArray[np.float32]:
        return self._run(noisy_BCHW, sigma_B, lambda: None)

    def timed_run(self, noisy_BCHW: NDArray[np.float32], sigma_B: NDArray[np.float32] | None) -> RunTimes:
        """By the processor's clock: ONNX Runtime returns from each of the three when the GPU is done with it."""
        marks: list[float] = []
        self._run(noisy_BCHW, sigma_B, lambda: marks.append(1000 * time.perf_counter()))
        begin, sent, computed, fetched = marks
        return RunTimes(transfer_in_ms=sent - begin, compute_ms=computed - sent, transfer_out_ms=fetched - computed)

    def _run(
        self, noisy_BCHW: NDArray[np.float32], sigma_B: NDArray[np.float32] | None, mark: Callable[[], None]
    ) -> NDArray[np.float32]:
        """`mark` is called before the copies in, between the steps and after the copy out."""
        feeds = {"noisy": noisy_BCHW} if sigma_B is None else {"noisy": noisy_BCHW, "sigma": sigma_B}
        with self._lock:
            try:
                if self._shape != noisy_BCHW.shape:
                    self._bind(feeds)
                mark()
                for name, value in feeds.items():
                    self._inputs[name].update_inplace(np.ascontiguousarray(value))
                mark()
                self._session.run_with_iobinding(self._binding)
                mark()
                result = self._output.numpy()
                mark()
                return result
            except Exception as error:
                self._forget()
                if is_out_of_memory(error):
                    raise OutOfMemoryError(str(error)) from error
                raise

    def free_device_bytes(self) -> int | None:
        return free_memory_bytes(driver_library())

    def bytes_per_pixel(self) -> int:
        return self._bytes_per_pixel

    def release_memory(self) -> None:
        """Keeps everything on the GPU: the next picture most often has windows of the same shape."""

    @cached_property
    def _bytes_per_pixel(self) -> int:
        """What the GPU loses to a run, as its driver tells it: arena, cuDNN's workspace, input and output."""
        driver = driver_library()
        return growth_per_pixel(self.run, self._manifest.network_input, lambda: -free_memory_bytes(driver))

    def _bind(self, feeds: dict[str, NDArray[np.float32]]) -> None:
        """Memory on the GPU for inputs and output of these shapes, instead of what the last shape took."""
        was_bound = self._shape is not None
        self._forget()
        if was_bound:
            self._give_arena_back()
        self._inputs = {name: self._on_the_gpu(value.shape) for name, value in feeds.items()}
        batch, channels, height, width = feeds["noisy"].shape
        scale = self._manifest.scale
        self._output = self._on_the_gpu((batch, channels, height * scale, width * scale))
        self._binding = self._session.io_binding()
        for name, value in self._inputs.items():
            self._binding.bind_ortvalue_input(name, value)
        self._binding.bind_ortvalue_output("denoised", self._output)
        self._shape = feeds["noisy"].shape

    def _on_the_gpu(self, shape: tuple[int, ...]) -> Any:
        return self._ort.OrtValue.ortvalue_from_shape_and_type(shape, np.float32, _DEVICE, 0)

    def _forget(self) -> None:
        self._shape: tuple[int, ...] | None = None
        self._inputs: dict[str, Any] = {}
        self._output: Any = None
        self._binding: Any = None

    def _give_arena_back(self) -> None:
        noisy, sigma = inputs_for(self._manifest.network_input, 1)
        feeds = {"noisy": noisy} if sigma is None else {"noisy": noisy, "sigma": sigma}
        options = self._ort.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "gpu:0")
        self._session.run(["denoised"], feeds, options)


def has_cuda_provider(ort: Any) -> bool:
    """Whether this ONNX Runtime was built for NVIDIA's GPUs; it says so without a GPU too."""
    return PROVIDER in ort.get_available_providers()


def _left_on_the_processor(session: Any) -> list[str]:
    """The operations other than on shapes that the GPU's provider did not take; empty where that is not told."""
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return []
    parts = (part for part in session.get_provider_graph_assignment_info() if part.ep_name != PROVIDER)
    return sorted({node.op_type for part in parts for node in part.get_nodes()} - _ON_THE_PROCESSOR)


@contextlib.contextmanager
def _quiet(ort: Any) -> Any:
    """Load what pip installed of CUDA, and open a session: without their own messages about what is missing."""
    with contextlib.redirect_stdout(io.StringIO()):
        if hasattr(ort, "preload_dlls"):
            ort.preload_dlls()
        ort.set_default_logger_severity(4)
        try:
            yield
        finally:
            ort.set_default_logger_severity(2)


def _reason(ort: Any) -> str:
    """Why the provider does not start, for ONNX Runtime tells it to its log alone."""
    how = "install NVIDIA's driver, and CUDA and cuDNN: pip install 'onnxruntime-gpu[cuda,cudnn]'"
    try:
        driver_library()
    except OSError as error:
        return f"NVIDIA's driver is missing ({error}); {how}"
    try:
        ctypes.CDLL(str(Path(ort.__file__).parent / "capi" / "libonnxruntime_providers_cuda.so"))
    except OSError as error:
        # The provider's own symbols come with the library that loads it; a missing library is found before them.
        if "undefined symbol" not in str(error):
            return f"a library is missing ({error}); {how}"
    return f"the GPU or its driver is none that it supports; {how}"
