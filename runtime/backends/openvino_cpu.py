"""OpenVINO on the processor: a model file, compiled anew for every shape of windows."""

import threading
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UserError
from ..memory.process_memory import return_free_memory
from ..model.manifest import FloatArithmetic, ModelManifest, Precision
from ..model.model_bytes import model_bytes
from ..tiling.window_limits import OutOfMemoryError
from .backend import Arithmetic, Backend
from .graph_check import GraphInput, cannot_run, check_any_size, check_interface, check_threads, last_line
from .learnt_numbers import sha256_of
from .memory_probe import learnt_bytes_per_pixel


@cache
def openvino_core() -> Any:
    """One for the whole process, never destroyed.

    A Core sets up the stack of signal handlers and takes it down with itself: where a second one was made meanwhile,
    the next signal, Ctrl-C, finds no stack and the process dies (OpenVINO 2026.4).
    Raises UserError where OpenVINO is not installed.
    """
    return imported_openvino().Core()


def imported_openvino() -> Any:
    try:
        import openvino
    except ImportError as error:
        raise UserError(f"openvino is not installed; install it: pip install openvino ({error})") from error
    return openvino


OPENVINO_HINTS: dict[Arithmetic, str] = {"fp32": "f32", "bf16": "bf16"}
"""What OpenVINO is told to compute floating-point layers in."""


def own_arithmetic(precision: Precision, checked: FloatArithmetic | None) -> Arithmetic:
    """What the floating-point layers of a model file for a precision are computed in where nothing else is asked for.

    By itself OpenVINO would take bf16 for an fp32 model too. What an int8 model leaves in floating point is bf16 on
    processors that compute in it, for there fp32 layers take most of such a model's time; but fp32 where the file was
    `checked` so.
    """
    if precision == "int8":
        if checked == "fp32":
            return "fp32"
        return "bf16" if processor_computes_in("bf16") else "fp32"
    return "bf16" if precision == "bf16" else "fp32"


def computed_in(written: Precision, arithmetic: Arithmetic) -> str:
    """How a model written for a precision is computed, in words."""
    if written == "int8":
        return "int8 and bf16" if arithmetic == "bf16" else "int8"
    return "fp16" if (written, arithmetic) == ("fp16", "fp32") else arithmetic


def processor_computes_in(precision: Precision) -> bool:
    """Whether OpenVINO has instructions of this processor for a precision."""
    return precision.upper() in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class OpenVinoCpu(Backend):
    """A model file compiled by OpenVINO for the processor."""

    def __init__(self, model: Path, *, threads: int | None = None, precision: Arithmetic | None = None) -> None:
        """`threads`: processor threads of one run; None: one for each physical core.

        `precision`: of what the model file leaves in floating point; None: what the file is for. Raises UserError where
        the processor cannot compute in it.
        """
        check_threads(threads)
        self._path, self._threads = model, threads
        openvino = imported_openvino()
        self._core = openvino_core()
        self._model = _read(self._core, model)
        try:
            self._manifest = ModelManifest.from_metadata(_metadata(self._model))
            inputs = {
                item.any_name: GraphInput(str(item.element_type.get_type_name()), _shape(item.partial_shape))
                for item in self._model.inputs
            }
            outputs = [item.any_name for item in self._model.outputs]
            check_interface(self._manifest, inputs, outputs, float_type="f32")
            check_any_size(inputs)
            self._arithmetic: Arithmetic = self._checked_arithmetic(precision)
            self._settings = self._compile_settings(threads)
        except UserError as error:
            raise UserError(f"{model}: {error}") from error
        except (UnicodeDecodeError, RuntimeError) as error:
            raise UserError(f"{model}: damaged, or not an ONNX model ({last_line(error)})") from error
        self._lock = threading.Lock()
        self._shape: tuple[int, ...] | None = None
        self._compiled: Any = None
        used = "all cores" if threads is None else "1 thread" if threads == 1 else f"{threads} threads"
        self._sha256 = sha256_of(model)
        version = str(openvino.__version__).split("-")[0]
        self._description = f"openvino {version}, CPU, {self.precision}, {used}"

    @property
    def manifest(self) -> ModelManifest:
        return self._manifest

    @property
    def description(self) -> str:
        return self._description

    @property
    def precision(self) -> str:
        return computed_in(self._manifest.precision, self._arithmetic)

    def in_fp32(self) -> Backend | None:
        if self._arithmetic == "fp32":
            return None
        return OpenVinoCpu(self._path, threads=self._threads, precision="fp32")

    def run(self, noisy_BCHW: NDArray[np.float32], sigma_B: NDArray[np.float32] | None) -> NDArray[np.float32]:
        feeds = {"noisy": noisy_BCHW} if sigma_B is None else {"noisy": noisy_BCHW, "sigma": sigma_B}
        with self._lock:
            try:
                if self._shape != noisy_BCHW.shape:
                    self._compile({name: list(value.shape) for name, value in feeds.items()})
                    self._shape = noisy_BCHW.shape
                # The request's output memory is used again by the next run.
                return np.array(self._compiled.create_infer_request().infer(feeds)["denoised"])
            except Exception as error:
                if isinstance(error, MemoryError) or any(word in str(error) for word in ("bad_alloc", "allocate")):
                    raise OutOfMemoryError(last_line(error)) from error
                raise cannot_run(error) from error

    def bytes_per_pixel(self) -> int:
        return self._bytes_per_pixel

    def release_memory(self) -> None:
        with self._lock:
            if self._compiled is not None:
                self._compiled.release_memory()
        return_free_memory()

    @cached_property
    def _bytes_per_pixel(self) -> int:
        return learnt_bytes_per_pixel(self, model_sha256=self._sha256)

    def _compile(self, shapes: dict[str, list[int]]) -> None:
        self._shape = self._compiled = None
        shaped = self._model.clone()
        shaped.reshape(shapes)
        self._compiled = self._core.compile_model(shaped, "CPU", self._settings)

    def _checked_arithmetic(self, asked: Arithmetic | None) -> Arithmetic:
        arithmetic = asked or own_arithmetic(self._manifest.precision, self._manifest.float_arithmetic)
        if arithmetic == "bf16" and not processor_computes_in("bf16"):
            whose = "the model is for bf16" if asked is None else "precision bf16 was asked for"
            raise UserError(f"{whose}, which this processor does not compute in; use --precision fp32")
        return arithmetic

    def _compile_settings(self, threads: int | None) -> dict[str, Any]:
        hint = OPENVINO_HINTS[self._arithmetic]
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint}
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        return settings


def _metadata(model: Any) -> dict[str, str]:
    """The metadata entries of the ONNX file."""
    if not model.has_rt_info(["framework"]):
        return {}
    return {name: str(value.astype(str)) for name, value in dict(model.get_rt_info()["framework"]).items()}


def _shape(shape: Any) -> tuple[int | None, ...]:
    return tuple(length.get_length() if length.is_static else None for length in shape)


def _read(core: Any, model: Path) -> Any:
    content = model_bytes(model)
    try:
        return core.read_model(content, b"")
    except Exception as error:  # OpenVINO's own are RuntimeErrors, but its texts may not even decode
        raise UserError(f"{model}: damaged, or not an ONNX model ({last_line(error)})") from error
