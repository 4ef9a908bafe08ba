"""Build real TensorRT engines, hold their output to ONNX Runtime's on the processor, and time them on this GPU.

Run: python tools/on_gpu/check_tensorrt.py [MODEL.onnx ...] [--tile 512] [--batch 1] [--reference MODEL.onnx]
Needs hinas[gpu] and onnxruntime. Prints a table to paste. Exit 0: all within the limits; 1: an engine is not; 2:
something is missing.
"""

import argparse
import math
import sys
import tempfile
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import numpy as np
from hinas.command_line import require_libraries
from hinas.errors import UserError
from hinas.export.tensorrt.build_request import request_from_texts
from hinas.runtime.engines.engine_file import Engine, read_engine
from hinas.runtime.engines.gpu import Gpu, first_gpu
from hinas.runtime.model.bundled_models import bundled_names, model_file
from hinas.runtime.model.manifest import Precision

LARGEST_RMS = {"fp32": 1e-5, "fp16": 2e-3, "bf16": 8e-3, "int8": 1e-2}
"""Root mean square of the difference for images in 0..1, far above rounding and far below a wrong kernel."""
WARM_UP_RUNS, TIMED_RUNS = 20, 100


class EngineRunner:
    """An engine loaded on the GPU, with its inputs already there."""

    def __init__(self, engine: Engine, feeds: dict[str, np.ndarray], *, trt: Any, cuda: Any) -> None:
        from hinas.runtime.backends.tensorrt_loading import message_log

        self._log = message_log(trt)
        self._runtime = trt.Runtime(self._log)
        self._runtime.engine_host_code_allowed = True
        self._engine = self._runtime.deserialize_cuda_engine(engine.plan)
        self._context = self._engine.create_execution_context()
        self._cuda, self._stream = cuda, cuda.Stream()
        self._buffers = []
        for name, value in feeds.items():
            self._context.set_input_shape(name, value.shape)
            cuda.memcpy_htod(self._allocated(name, value.nbytes), value)
        self._result = np.empty(tuple(self._context.get_tensor_shape("denoised")), np.float32)
        self._output = self._allocated("denoised", self._result.nbytes)

    def _allocated(self, name: str, num_bytes: int) -> Any:
        memory = self._cuda.mem_alloc(num_bytes)
        self._buffers.append(memory)
        self._context.set_tensor_address(name, int(memory))
        return memory

    def run(self) -> None:
        """Start one run on the runner's stream."""
        if not self._context.execute_async_v3(self._stream.handle):
            raise RuntimeError(f"the engine did not run: {'; '.join(self._log.errors)}")

    def result(self) -> np.ndarray:
        """The output of the last run."""
        self._stream.synchronize()
        self._cuda.memcpy_dtoh(self._result, self._output)
        return self._result.copy()

    def latencies_ms(self) -> list[float]:
        """Runs on the GPU alone, without copies, after a warm-up."""
        times = []
        for index in range(WARM_UP_RUNS + TIMED_RUNS):
            start, stop = self._cuda.Event(), self._cuda.Event()
            start.record(self._stream)
            self.run()
            stop.record(self._stream)
            stop.synchronize()
            if index >= WARM_UP_RUNS:
                times.append(stop.time_since(start))
        return times


def arguments_parser() -> argparse.ArgumentParser:
    """What the command line may hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path, default=[model_file(name) for name in bundled_names()])
    parser.add_argument("--tile", default="512")
    parser.add_argument("--batch", default="1")
    parser.add_argument(
        "--reference", type=Path, help="Hold all to this model's output, for files that the processor cannot run."
    )
    return parser


def main() -> None:
    """Check every model in every precision that this TensorRT builds from it."""
    given = arguments_parser().parse_args()
    try:
        require_libraries("check_tensorrt.py", "tensorrt", "pycuda", "onnxruntime", extras="gpu")
        gpu = first_gpu()
        import pycuda.driver as cuda  # pyright: ignore[reportMissingImports]
        import tensorrt as trt  # pyright: ignore[reportMissingImports]

        # Importing it makes the primary context current, which TensorRT uses too.
        import_module("pycuda.autoprimaryctx")
        is_good = check(given.models, given.tile, given.batch, trt=trt, cuda=cuda, gpu=gpu, reference=given.reference)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    sys.exit(0 if is_good else 1)


def check(
    models: list[Path], tile: str, batch: str, *, trt: Any, cuda: Any, gpu: Gpu, reference: Path | None = None
) -> bool:
    """Print the table; whether every engine is within the limits. `reference`: a model; None: each model its own."""
    from hinas.export.tensorrt.engine_from_onnx import engine_for

    request = request_from_texts(
        tile=tile,
        batch=batch,
        optimisation_level=3,
        workspace=None,
        version_compatible=False,
        hardware_compatible=False,
    )
    is_good = True
    print(f"TensorRT {trt.__version__}, {gpu}\n")
    print("| model | precision | input | build s | largest difference | rms | p50 ms | Mpixel/s | verdict |")
    print("|---|---|---|---|---|---|---|---|---|")
    for model in models:
        for precision in get_args(Precision):
            with tempfile.TemporaryDirectory() as folder:
                asked, cache = replace(request, precision=precision), Path(folder)
                start = time.perf_counter()
                try:
                    engine = read_engine(engine_for(model, asked, trt=trt, gpu=gpu, cache_folder=cache, quiet=True))
                except UserError as error:
                    print(
                        f"| {model.stem} | {precision} | | | | | | | not built: {error} |".replace("\n", " "),
                        flush=True,
                    )
                    continue
                build_s = time.perf_counter() - start
            inputs = engine.key.inputs
            for shapes in dict.fromkeys(zip(*((i.smallest, i.typical, i.largest) for i in inputs), strict=True)):
                cells, fits = checked(reference or model, engine, shapes, trt=trt, cuda=cuda)
                is_good &= fits
                print(
                    f"| {model.stem} | {precision} | {'x'.join(map(str, shapes[0]))} | {build_s:.0f} | {cells} |",
                    flush=True,
                )
    return is_good


def checked(reference: Path, engine: Engine, shapes: tuple[Any, ...], *, trt: Any, cuda: Any) -> tuple[str, bool]:
    """The numbers of one engine at one shape of its inputs, as cells of the table, and whether they are in bounds."""
    from hinas.runtime.backends.onnxruntime_cpu import OnnxRuntimeCpu

    noisy = np.random.default_rng(0).random(shapes[0], dtype=np.float32)
    low, high = engine.manifest.sigma_range or (0.0, 75.0)
    sigma = np.linspace(low, high, len(noisy), dtype=np.float32) if engine.manifest.conditioned else None
    feeds = {"noisy": noisy} if sigma is None else {"noisy": noisy, "sigma": sigma}
    runner = EngineRunner(engine, feeds, trt=trt, cuda=cuda)
    runner.run()
    difference = np.abs(runner.result() - OnnxRuntimeCpu(reference).run(noisy, sigma))
    rms, p50_ms = math.sqrt(float((difference**2).mean())), float(np.median(runner.latencies_ms()))
    fits = rms <= LARGEST_RMS[engine.key.precision]
    megapixels = shapes[0][0] * math.prod(shapes[0][2:]) / 1e6
    verdict = "good" if fits else f"WRONG, limit {LARGEST_RMS[engine.key.precision]:g}"
    cells = f"{difference.max():.1e} | {rms:.1e} | {p50_ms:.3f} | {megapixels / p50_ms * 1e3:.1f} | {verdict}"
    return cells, fits


if __name__ == "__main__":
    main()
