"""Run the GPU's backends on a real GPU: hold them to the processor, and show what graphs and overlapping copies bring.

Run: python tools/on_gpu/check_gpu_backends.py [MODEL.onnx ...] [--tile 512] [--batch 1] [--windows 32]
Needs hinas[gpu]; builds engines, which takes minutes. Prints a table to paste. Exit 0: all within the limits; 1: not
all are; 2: something is missing.
"""

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from hinas.errors import UserError
from hinas.installation import install_advice
from hinas.runtime.backends.backend import Backend
from hinas.runtime.backends.open_backend import open_backend
from hinas.runtime.engines.gpu import first_gpu
from hinas.runtime.model.bundled_models import bundled_names, model_file

LARGEST_RMS = {"fp32": 1e-5, "fp16": 2e-3, "bf16": 8e-3, "int8": 1e-2}
"""Root mean square of the difference for images in 0..1, far above rounding and far below a wrong kernel."""
NUM_REPEATS = 5

Run = Callable[[Backend, list[np.ndarray], np.ndarray | None], list[np.ndarray]]


def one_by_one(backend: Backend, windows: list[np.ndarray], sigma: np.ndarray | None) -> list[np.ndarray]:
    """Each window waits for the one before: its copies stand beside the computing."""
    return [backend.run(window, sigma) for window in windows]


def overlapped(backend: Backend, windows: list[np.ndarray], sigma: np.ndarray | None) -> list[np.ndarray]:
    """As the runtime runs the tiles of a picture."""
    return list(backend.run_many(windows, sigma))


def candidates(model: Path, engine: Path) -> Iterator[tuple[str, str, Callable[[], Backend], Run]]:
    """(backend, what is different, how to open it, how to run windows) of everything that is compared."""

    def tensorrt(cuda_graphs: bool) -> Backend:
        from hinas.runtime.backends.tensorrt_engine import TensorRtEngine

        return TensorRtEngine(engine, cuda_graphs=cuda_graphs)

    yield "cuda", "IO binding", lambda: open_backend("cuda", model), one_by_one
    yield "tensorrt", "one by one, no graphs", lambda: tensorrt(False), one_by_one
    yield "tensorrt", "one by one, graphs", lambda: tensorrt(True), one_by_one
    yield "tensorrt", "overlapped, no graphs", lambda: tensorrt(False), overlapped
    yield "tensorrt", "overlapped, graphs", lambda: tensorrt(True), overlapped


def built_engine(model: Path, folder: Path, tile: str, batch: str) -> Path:
    """The model's engine for this GPU, in `folder`."""
    from hinas.export.tensorrt.build_request import request_from_texts
    from hinas.export.tensorrt.engine_from_onnx import engine_for

    try:
        import tensorrt  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UserError(f"TensorRT is not installed: {install_advice('gpu')} ({error})") from error
    request = request_from_texts(
        tile=tile,
        batch=batch,
        optimisation_level=3,
        workspace=None,
        version_compatible=False,
        hardware_compatible=False,
    )
    return engine_for(model, request, trt=tensorrt, gpu=first_gpu(), cache_folder=folder, quiet=True)


def check(
    models: list[Path], num_windows: int, build: Callable[[Path, Path], Path], *, tile: int | None = None
) -> bool:
    """Print the table; whether every result is within the limits. `build`: (model, folder) to its engine file.

    `tile`: pixels; None: the largest window of the engine.
    """
    print("| model | precision | backend | how | window | largest difference | rms | p50 ms | Mpixel/s | verdict |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    is_good = True
    for model in models:
        with tempfile.TemporaryDirectory() as folder:
            engine = build(model, Path(folder))
            reference = open_backend("cpu", model)
            limits = open_backend("tensorrt", engine).window_limits
            assert limits is not None
            side = min(limits.largest) if tile is None else tile
            manifest = reference.manifest
            generator = np.random.default_rng(0)
            windows = [generator.random((1, manifest.channels, side, side), np.float32) for _ in range(num_windows)]
            middle = sum(manifest.sigma_range or (0, 0)) / 2
            sigma = np.full(1, middle, np.float32) if manifest.conditioned else None
            # The processor is slow: the first and the last window stand for all.
            ends = {index: reference.run(windows[index], sigma) for index in (0, num_windows - 1)}
            for name, how, opened, run in candidates(model, engine):
                row = f"| {model.stem} | {manifest.precision} | {name} | {how} | {side}x{side} |"
                try:
                    cells, fits = measured(opened(), windows, sigma, ends, run)
                except UserError as error:
                    cells, fits = f" | | | | failed: {error} |".replace("\n", " "), False
                is_good &= fits
                print(row + cells, flush=True)
    return is_good


def measured(
    backend: Backend, windows: list[np.ndarray], sigma: np.ndarray | None, ends: dict[int, np.ndarray], run: Run
) -> tuple[str, bool]:
    """The cells of one row, and whether the results are within the limits."""
    times_s = []
    results: list[np.ndarray] = []
    for _ in range(NUM_REPEATS + 1):
        start = time.perf_counter()
        results = run(backend, windows, sigma)
        times_s.append(time.perf_counter() - start)
    difference = np.stack([np.abs(results[index] - expected) for index, expected in ends.items()])
    rms = math.sqrt(float((difference**2).mean()))
    limit = LARGEST_RMS[backend.manifest.precision]
    fits = rms <= limit
    # The first pass warms up: kernels are loaded, memory is taken, graphs are captured.
    p50_ms = 1000 * float(np.median(times_s[1:])) / len(windows)
    megapixels = windows[0].shape[2] * windows[0].shape[3] / 1e6
    verdict = "good" if fits else f"WRONG, limit {limit:g}"
    if "no CUDA graphs (" in backend.description and "switched off" not in backend.description:
        verdict += ", " + backend.description[backend.description.index("no CUDA graphs") :]
    return f" {difference.max():.1e} | {rms:.1e} | {p50_ms:.3f} | {megapixels / p50_ms * 1e3:.1f} | {verdict} |", fits


def arguments_parser() -> argparse.ArgumentParser:
    """What the command line may hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path, default=[model_file(name) for name in bundled_names()])
    parser.add_argument("--tile", default="512")
    parser.add_argument("--batch", default="1")
    parser.add_argument("--windows", type=int, default=32)
    return parser


def main() -> None:
    """Check every model given, or the bundled ones."""
    given = arguments_parser().parse_args()
    try:
        print(f"{first_gpu()}; latencies per window, with copies\n")
        is_good = check(
            given.models, given.windows, lambda model, folder: built_engine(model, folder, given.tile, given.batch)
        )
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
