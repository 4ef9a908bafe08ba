"""How much each rewrite brings on this machine: the plain export and every stage of the rewriting, run in turn.

One thread, one image. What is timed is the process's own processor time, which another program's load changes less than
the clock's. Where a session's maps lie in memory alone moves it by two percent, so that each model is opened several
times; a speed-up is the median over pairs of runs of the same round.
"""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import onnx

from ...errors import UserError
from ...runtime.backends.openvino_cpu import openvino_core
from ..graph.variants import Target
from .optimise import rules_for, stages

MeasuredEngine = Literal["onnxruntime fp32", "openvino fp32", "openvino bf16"]
ENGINES: Mapping[Target, tuple[MeasuredEngine, ...]] = {
    "ort": ("onnxruntime fp32",),
    "openvino": ("openvino fp32", "openvino bf16"),
}
"""What a target's models are run by; TensorRT needs a GPU and is not measured here."""
PLAIN = "plain"
"""The stage before all rewrites."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One model in one engine."""

    engine: MeasuredEngine
    stage: str
    """`plain`, or the last rewrite applied."""
    cpu_ms: float
    """Processor time of one run, median."""
    gain: float
    """Times as fast as the stage before, in the same engine: what the rewrite brought."""
    speedup: float
    """Times as fast as the plain export in ONNX Runtime, fp32."""

    def __str__(self) -> str:
        return f"{self.cpu_ms:7.1f} ms, gain {self.gain:.3f}, {self.speedup:.2f} times plain in onnxruntime"


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How long to measure."""

    width: int = 481
    """Pixels; rounded up to the alignment."""
    height: int = 321
    """Pixels; rounded up to the alignment."""
    sessions: int = 3
    """How often each model is opened anew."""
    rounds: int = 7
    """Runs of each session."""


def check_measurable(targets: Sequence[Target]) -> None:
    """Raise UserError where a target cannot be measured on this machine."""
    for target in targets:
        if target not in ENGINES:
            raise UserError(f"--measure: target {target} cannot be measured here; allowed: {', '.join(ENGINES)}")
        if target == "openvino":
            openvino_core()


def measured_target(plain: onnx.ModelProto, target: Target, alignment: int, effort: Effort) -> tuple[Timing, ...]:
    """Time the plain export and the model after each rewrite that applied, in each engine of the target."""
    models = {PLAIN: plain.SerializeToString()}
    models |= {
        stage.rewrite: stage.model.SerializeToString() for stage in stages(plain, rules_for(target)) if stage.places
    }
    return tuple(
        timing for engine in engines_of(target) for timing in measured_models(models, engine, alignment, effort)
    )


def measured_models(
    models: Mapping[str, bytes], engine: MeasuredEngine, alignment: int, effort: Effort
) -> tuple[Timing, ...]:
    """Time models by name in one engine; the first is `plain`, each other's gain is over the one before it."""
    baseline: tuple[MeasuredEngine, str] = ("onnxruntime fp32", PLAIN)
    own: list[tuple[MeasuredEngine, str]] = [(engine, name) for name in models]
    keys = list(dict.fromkeys([baseline, *own]))
    feeds = _feeds(next(iter(models.values())), alignment, effort)
    seconds: dict[tuple[MeasuredEngine, str], list[float]] = {key: [] for key in keys}
    for _ in range(effort.sessions):
        runs = {key: _opened(models[key[1]], key[0], feeds) for key in keys}
        for run in runs.values():
            run()
        for turn in range(effort.rounds):
            for place in range(len(keys)):
                key = keys[(place + turn) % len(keys)]
                start = time.process_time()
                runs[key]()
                seconds[key].append(time.process_time() - start)
        del runs
        gc.collect()

    def ratio(key: tuple[MeasuredEngine, str], other: tuple[MeasuredEngine, str]) -> float:
        return statistics.median(slow / fast for slow, fast in zip(seconds[other], seconds[key], strict=True))

    return tuple(
        Timing(
            engine=engine,
            stage=key[1],
            cpu_ms=1000 * statistics.median(seconds[key]),
            gain=ratio(key, before),
            speedup=ratio(key, baseline),
        )
        for before, key in zip([own[0], *own], own, strict=False)
    )


def engines_of(target: Target) -> list[MeasuredEngine]:
    """What runs a target here; no bf16 where the processor has none: OpenVINO would compute in fp32 and not say so."""
    engines = list(ENGINES[target])
    if "openvino bf16" in engines and "BF16" not in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        engines.remove("openvino bf16")
    return engines


def _feeds(content: bytes, alignment: int, effort: Effort) -> dict[str, np.ndarray]:
    inputs = {item.name: item.type.tensor_type.shape.dim for item in onnx.load_from_string(content).graph.input}
    sides = [-(-side // alignment) * alignment for side in (effort.height, effort.width)]
    noisy = np.random.default_rng(0).random((1, inputs["noisy"][1].dim_value, *sides), dtype=np.float32)
    sigma = {"sigma": np.full(1, 25, np.float32)} if "sigma" in inputs else {}
    return {"noisy": noisy} | sigma


def _opened(content: bytes, engine: MeasuredEngine, feeds: Mapping[str, np.ndarray]) -> Callable[[], object]:
    """A model made ready to run on one thread."""
    if engine == "onnxruntime fp32":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_mem_pattern = False  # as the runtime does
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        return partial(session.run, None, feeds)
    core = openvino_core()
    model = core.read_model(content, b"")
    model.reshape({name: list(value.shape) for name, value in feeds.items()})
    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "bf16" if engine == "openvino bf16" else "f32"}
    return partial(core.compile_model(model, "CPU", settings).create_infer_request().infer, dict(feeds))
