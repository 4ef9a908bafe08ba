"""What a worker process runs: a model file on a backend, or a classical algorithm, opened and timed there."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .gpu_meter import GpuMeter

_ON_A_GPU = ("cuda", "tensorrt")
_LIBRARIES = {"openvino": "openvino", "tensorrt": "tensorrt"}
"""What a backend imports where it is not onnxruntime."""


@dataclass(frozen=True, kw_only=True)
class OpenMethod:
    """Something opened, ready to run on one image again and again."""

    run: Callable[[], Mapping[str, float]]
    """One run: its `ms`, and on a GPU, where `ms` is the computing alone, `transfer_in_ms` and `transfer_out_ms`."""
    import_ms: float
    load_ms: float
    library: str
    gpu: "GpuMeter | None"
    """What reads the GPU's own counters; None: it runs on the processor, or nothing can read them."""


def open_method(request: Mapping[str, Any]) -> OpenMethod:
    """Open what `TimedMethod.request` and a size say; UserError as the backend or the algorithm raises it."""
    return _classical(request) if "classical" in request else _model(request)


def _model(request: Mapping[str, Any]) -> OpenMethod:
    started = time.perf_counter()
    import numpy as np

    name = request["backend"]
    # TimedMethod, for the backend imports it; where it is missing the backend says better what to do.
    with suppress(ImportError):
        import_module(_LIBRARIES.get(name, "onnxruntime"))
    from ...runtime.backends.open_backend import open_backend
    from ...runtime.tiling.window_limits import rounded_up
    from .gpu_meter import gpu_meter

    imported = time.perf_counter()
    meter = gpu_meter() if name in _ON_A_GPU else None
    began = time.perf_counter()
    backend = open_backend(name, Path(request["model"]), threads=request["threads"])
    loaded = time.perf_counter()

    manifest = backend.manifest
    height, width = (rounded_up(request[side], manifest.alignment) for side in ("height", "width"))
    noisy = _picture((1, manifest.channels, height, width))
    sigma = np.full(1, sum(manifest.sigma_range) / 2, np.float32) if manifest.sigma_range else None
    level = sigma if manifest.conditioned else None

    def run() -> Mapping[str, float]:
        begin = time.perf_counter()
        times = backend.timed_run(noisy, level)
        if times is None:
            return {"ms": 1000 * (time.perf_counter() - begin)}
        return {
            "ms": times.compute_ms,
            "transfer_in_ms": times.transfer_in_ms,
            "transfer_out_ms": times.transfer_out_ms,
        }

    return OpenMethod(
        run=run,
        import_ms=1000 * (imported - started),
        load_ms=1000 * (loaded - began),
        library=backend.description,
        gpu=meter,
    )


def _classical(request: Mapping[str, Any]) -> OpenMethod:
    if request["threads"] is not None and hasattr(os, "sched_setaffinity"):
        # Their libraries take every processor that they may use.
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, allowed[: request["threads"]])
    started = time.perf_counter()
    import numpy as np

    from ..peers.classical import CLASSICAL, TIMED_SIGMA

    method = CLASSICAL[request["classical"]]
    imported = time.perf_counter()
    denoise = method.open()
    loaded = time.perf_counter()
    shape = (request["height"], request["width"], *([3] if method.channels == 3 else []))
    noisy = _picture(shape, TIMED_SIGMA / 255)

    def run() -> Mapping[str, float]:
        begin = time.perf_counter()
        denoise(np.array(noisy), TIMED_SIGMA)
        return {"ms": 1000 * (time.perf_counter() - begin)}

    return OpenMethod(
        run=run,
        import_ms=1000 * (imported - started),
        load_ms=1000 * (loaded - imported),
        library=method.library(),
        gpu=None,
    )


def _picture(shape: tuple[int, ...], spread: float = 0.2) -> "NDArray[np.float32]":
    """Noise around middle grey; values as a picture's, and the same on every call."""
    import numpy as np

    return np.random.default_rng(0).normal(0.5, spread, shape).astype(np.float32)
