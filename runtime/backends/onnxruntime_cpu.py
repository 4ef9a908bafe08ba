"""ONNX Runtime on the processor.

Memory: ONNX Runtime's "memory pattern" allocates one block for all activations of a shape BESIDE the arena that
already served the first run, which doubles the peak (1,214 bytes per pixel against 642 for a half-resolution
network of 0.4 M parameters) and is no faster; so it is off. The arena stays on while the tiles of a picture
run (without it each run maps its memory anew, 10 to 20 % slower) and is given back after each picture.
"""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UserError
from ..manifest import ModelManifest
from ..process_memory import resident_bytes, return_free_memory
from .interface import MOST_BYTES_PER_PIXEL, OutOfMemoryError

if TYPE_CHECKING:
    import onnxruntime

_PROVIDER = "CPUExecutionProvider"
_PROBE_SIDE = 192
_PROBE_MARGIN = 1.25


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
            self._check_interface()
        except UserError as error:
            raise UserError(f"{model}: {error}") from error
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
        self._run(*self._inputs(1), options)
        return_free_memory()

    @cached_property
    def _bytes_per_pixel(self) -> int:
        """The growth of the process in a run on 192 x 192 pixels, plus 25 %, rounded up to a multiple of 64."""
        self._run(*self._inputs(32), None)
        noisy, sigma = self._inputs(_PROBE_SIDE)
        # Memory freed earlier but not given back would take up the run unseen.
        return_free_memory()
        before = resident_bytes()
        self._run(noisy, sigma, None)
        after = resident_bytes()
        if before is None or after is None:
            return MOST_BYTES_PER_PIXEL
        measured = _PROBE_MARGIN * (after - before) / (noisy.shape[2] * noisy.shape[3])
        # Where an earlier run left memory in the arena the growth is hidden; input and output alone are a floor.
        floor = 64 * self._manifest.channels
        return -(-int(max(measured, floor)) // 64) * 64

    def _inputs(self, least_side: int) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        side = -(-least_side // self._manifest.alignment) * self._manifest.alignment
        noisy = np.full((1, self._manifest.channels, side, side), 0.5, np.float32)
        low = self._manifest.sigma_range[0] if self._manifest.sigma_range else 0.0
        return noisy, np.full(1, low, np.float32) if self._manifest.conditioned else None

    def _run(
        self, noisy_BCHW: NDArray[np.float32], sigma_B: NDArray[np.float32] | None, options: Any
    ) -> NDArray[np.float32]:
        feeds = {"noisy": noisy_BCHW} if sigma_B is None else {"noisy": noisy_BCHW, "sigma": sigma_B}
        try:
            return np.asarray(self._session.run(["denoised"], feeds, options)[0])
        except Exception as error:
            # ONNX Runtime has no error class of its own for this.
            if isinstance(error, MemoryError) or "bad_alloc" in str(error) or "Failed to allocate" in str(error):
                raise OutOfMemoryError(str(error)) from error
            raise

    def _check_interface(self) -> None:
        """The graph's inputs and output must be what the manifest promises, and for windows of any size."""
        if self._manifest.io != "float":
            raise UserError(
                f"the model takes {self._manifest.io} pixels, which is for other programs; hinas takes models with "
                "--io float: export it again without --io"
            )
        expected = ["noisy", "sigma"] if self._manifest.conditioned else ["noisy"]
        inputs = {value.name: value for value in self._session.get_inputs()}
        outputs = [value.name for value in self._session.get_outputs()]
        if sorted(inputs) != expected or outputs != ["denoised"]:
            raise UserError(
                f"not a hinas model: inputs {', '.join(sorted(inputs))} and outputs {', '.join(outputs)}; "
                f"expected {', '.join(expected)} and denoised"
            )
        for value in inputs.values():
            if value.type != "tensor(float)":
                raise UserError(f"input {value.name} is {value.type}; this backend takes tensor(float)")
        shape = inputs["noisy"].shape
        if any(isinstance(length, int) for length in (shape[0], *shape[2:])):
            raise UserError(
                f"the model takes inputs of shape {tuple(shape)} alone, but hinas cuts pictures into windows of other "
                "sizes; export it again without --fixed-shape"
            )
        channels = shape[1]
        if channels != self._manifest.channels:
            raise UserError(f"the graph takes {channels} channels, but hinas.channels is {self._manifest.channels}")


def _imported_onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(f"onnxruntime is not installed; install it: pip install 'hinas[cpu]' ({error})") from error
    return onnxruntime


def _session(ort: Any, model: Path, threads: int | None) -> "onnxruntime.InferenceSession":
    options = ort.SessionOptions()
    options.log_severity_level = 3  # errors only: its warnings are for the maker of a model
    options.enable_mem_pattern = False
    options.inter_op_num_threads = 1
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        content = model.read_bytes()
    except OSError as error:
        raise UserError(f"{model}: cannot read the model file ({error.strerror})") from error
    try:
        session = ort.InferenceSession(content, options, providers=[_PROVIDER])
    except Exception as error:  # ONNX Runtime raises a dozen classes of its own, none of them documented
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise UserError(f"{model}: damaged, or not an ONNX model ({reason})") from error
    if session.get_providers() != [_PROVIDER]:
        raise UserError(f"{model}: asked onnxruntime for {_PROVIDER}, but it runs {', '.join(session.get_providers())}")
    return session
