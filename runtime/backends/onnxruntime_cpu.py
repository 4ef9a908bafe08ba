"""ONNX Runtime on the processor.

Memory: ONNX Runtime's "memory pattern" allocates one block for all activations of a shape BESIDE the arena that
already served the first run, which doubles the peak (1,214 bytes per pixel against 642 for a half-resolution
network of 0.4 M parameters) and is no faster; so it is off. The arena stays on while the tiles of a picture
run (without it each run maps its memory anew, 10 to 20 % slower) and is given back after each picture.
"""

from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UserError
from ..manifest import ModelManifest
from ..model_bytes import model_bytes
from ..process_memory import return_free_memory
from .interface import OutOfMemoryError
from .memory_probe import inputs_for, measured_bytes_per_pixel
from .model_interface import GraphInput, cannot_run, check_interface, first_line

if TYPE_CHECKING:
    import onnxruntime

_PROVIDER = "CPUExecutionProvider"


class OnnxRuntimeCpu:
    """A model file in an ONNX Runtime session on the processor."""

    def __init__(self, model: Path, *, threads: int | None = None) -> None:
        """`threads`: processor threads of one run; None: one for each physical core."""
        if threads is not None and threads < 1:
            raise UserError(f"threads is {threads}; allowed: a whole number of at least 1")
        ort = _imported_onnxruntime()
        self._ort = ort
        self._session = _session(ort, model, threads)
        try:
            self._manifest = ModelManifest.from_metadata(self._session.get_modelmeta().custom_metadata_map)
            inputs = {item.name: GraphInput(item.type, tuple(item.shape)) for item in self._session.get_inputs()}
            outputs = [item.name for item in self._session.get_outputs()]
            check_interface(self._manifest, inputs, outputs, float_type="tensor(float)")
        except UserError as error:
            raise UserError(f"{model}: {error}") from error
        except UnicodeDecodeError as error:
            raise UserError(f"{model}: damaged, or not an ONNX model (a name that is no text)") from error
        used = "all cores" if threads is None else "1 thread" if threads == 1 else f"{threads} threads"
        self._description = f"onnxruntime {ort.__version__}, {_PROVIDER}, {used}"

    @property
    def manifest(self) -> ModelManifest:
        return self._manifest

    @property
    def description(self) -> str:
        return self._description

    def run(self, noisy_BCHW: NDArray[np.float32], sigma_B: NDArray[np.float32] | None) -> NDArray[np.float32]:
        return self._run(noisy_BCHW, sigma_B, None)

    def bytes_per_pixel(self) -> int:
        return self._bytes_per_pixel

    def release_memory(self) -> None:
        options = self._ort.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        # A model that has no room to run has none to give back.
        with suppress(OutOfMemoryError):
            self._run(*inputs_for(self._manifest, 1), options)
        return_free_memory()

    @cached_property
    def _bytes_per_pixel(self) -> int:
        return measured_bytes_per_pixel(self.run, self._manifest)

    def _run(
        self, noisy_BCHW: NDArray[np.float32], sigma_B: NDArray[np.float32] | None, options: Any
    ) -> NDArray[np.float32]:
        feeds = {"noisy": noisy_BCHW} if sigma_B is None else {"noisy": noisy_BCHW, "sigma": sigma_B}
        try:
            return np.asarray(self._session.run(["denoised"], feeds, options)[0])
        except Exception as error:
            # ONNX Runtime has no error class of its own for this.
            if isinstance(error, MemoryError) or "bad_alloc" in str(error) or "Failed to allocate" in str(error):
                raise OutOfMemoryError(first_line(error)) from error
            raise cannot_run(error) from error


def _imported_onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(f"onnxruntime is not installed; install it: pip install 'hinas[cpu]' ({error})") from error
    return onnxruntime


def _session(ort: Any, model: Path, threads: int | None) -> "onnxruntime.InferenceSession":
    options = ort.SessionOptions()
    options.log_severity_level = 4  # its warnings are for the maker of a model; errors come as exceptions
    options.enable_mem_pattern = False
    options.inter_op_num_threads = 1
    if threads is not None:
        options.intra_op_num_threads = threads
    content = model_bytes(model)
    try:
        session = ort.InferenceSession(content, options, providers=[_PROVIDER])
    except Exception as error:  # ONNX Runtime raises a dozen classes of its own, none of them documented
        raise UserError(f"{model}: damaged, or not an ONNX model ({first_line(error)})") from error
    if session.get_providers() != [_PROVIDER]:
        raise UserError(f"{model}: asked onnxruntime for {_PROVIDER}, but it runs {', '.join(session.get_providers())}")
    return session
