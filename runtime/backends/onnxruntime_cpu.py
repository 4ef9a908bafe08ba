"""ONNX Runtime on the processor.

Memory: ONNX Runtime's "memory pattern" allocates one block for all activations of a shape BESIDE the arena that
already served the first run, which doubles the peak (1,214 bytes per pixel against 642 for a half-resolution
network of 0.4 M parameters) and is no faster; so it is off. The arena stays on while the tiles of a picture
run (without it each run maps its memory anew, 10 to 20 % slower) and is given back after each picture.
"""

from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UserError
from ..memory.process_memory import return_free_memory
from ..model.manifest import ModelManifest
from ..tiling.window_limits import OutOfMemoryError
from .backend import Backend
from .graph_check import cannot_run, first_line
from .learnt_numbers import sha256_of
from .memory_probe import inputs_for, learnt_bytes_per_pixel
from .onnxruntime_session import checked_manifest, imported_onnxruntime, is_out_of_memory, open_session, session_options

_PROVIDER = "CPUExecutionProvider"


class OnnxRuntimeCpu(Backend):
    """A model file in an ONNX Runtime session on the processor."""

    def __init__(self, model: Path, *, threads: int | None = None) -> None:
        """`threads`: processor threads of one run; None: one for each physical core."""
        ort = imported_onnxruntime(extras="cpu")
        self._ort = ort
        self.model_sha256 = sha256_of(model)
        self._session = open_session(ort, model, session_options(ort, threads), (_PROVIDER, {}))
        if self._session.get_providers() != [_PROVIDER]:
            running = ", ".join(self._session.get_providers())
            raise UserError(f"{model}: asked onnxruntime for {_PROVIDER}, but it runs {running}")
        self._manifest = checked_manifest(self._session, model)
        used = "all cores" if threads is None else "1 thread" if threads == 1 else f"{threads} threads"
        precision = self._manifest.precision
        computed = "" if precision == "fp32" else f"{precision}, "
        self._description = f"onnxruntime {ort.__version__}, {_PROVIDER}, {computed}{used}"

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
            self._run(*inputs_for(self._manifest.network_input, 1), options)
        return_free_memory()

    @cached_property
    def _bytes_per_pixel(self) -> int:
        return learnt_bytes_per_pixel(self, model_sha256=self.model_sha256)

    def _run(
        self, noisy_BCHW: NDArray[np.float32], sigma_B: NDArray[np.float32] | None, options: Any
    ) -> NDArray[np.float32]:
        feeds = {"noisy": noisy_BCHW} if sigma_B is None else {"noisy": noisy_BCHW, "sigma": sigma_B}
        try:
            return np.asarray(self._session.run(["denoised"], feeds, options)[0])
        except Exception as error:
            if is_out_of_memory(error):
                raise OutOfMemoryError(first_line(error)) from error
            raise cannot_run(error) from error
