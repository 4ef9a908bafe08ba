"""One TensorRT build, from ONNX bytes to a plan: network, parser, configuration, builder.

`trt` is the imported module `tensorrt`. Only names that 8.6.1, 10.16 and 11.4 share are used without asking the
version; enumerators are never stored as numbers, for these differ between versions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

import onnx

from ...errors import UserError
from ...runtime.backends.tensorrt_loading import message_log
from ...runtime.engines.engine_file import InputShapes
from .build_progress import interruptible, progress_monitor
from .build_request import BuildRequest
from .versions import TensorRtVersion, Typing

RECIPE = 1
"""Raise it with every change by which an equal request gives another engine: cached ones are then built anew."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltPlan:
    """What a build leaves."""

    plan: bytes
    layers: str
    """The engine inspector's JSON text."""
    timing_cache: bytes
    """What TensorRT measured; makes the next build shorter."""


def build_plan(
    model: onnx.ModelProto,
    request: BuildRequest,
    *,
    trt: Any,
    version: TensorRtVersion,
    typing: Typing,
    inputs: Sequence[InputShapes],
    timing_cache: bytes,
    quiet: bool,
) -> BuiltPlan:
    """Build an engine for the GPU at hand; minutes.

    Raises UserError with what TensorRT's parser or builder said where one of them refuses, and KeyboardInterrupt on
    Ctrl-C, which TensorRT 10 and later obey within seconds and 8.6 at the build's end.
    """
    stop = Event()

    def build() -> BuiltPlan:
        log = message_log(trt)
        try:
            builder = trt.Builder(log)
        except TypeError as error:  # how the bindings say that the library gave them nothing
            raise UserError(_failure("TensorRT cannot start on this machine", log)) from error
        network = builder.create_network(_network_flags(trt, version, typing))
        # The parser owns the weights that the network refers to: it must live until the build has ended.
        parser = trt.OnnxParser(network, log)
        _parse(parser, model, version)
        config = builder.create_builder_config()
        _configure(config, request, typing, trt)
        config.add_optimization_profile(_profile(builder, inputs))
        _use_timing_cache(config, timing_cache)
        monitor = progress_monitor(trt, stop, quiet=quiet)
        if monitor is not None:
            config.progress_monitor = monitor
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            raise UserError(_failure("TensorRT could not build the engine", log))
        content = bytes(plan)
        return BuiltPlan(
            plan=content,
            layers=_layer_information(trt, log, content),
            timing_cache=bytes(config.get_timing_cache().serialize()),
        )

    return interruptible(build, stop)


def _network_flags(trt: Any, version: TensorRtVersion, typing: Typing) -> int:
    flags = trt.NetworkDefinitionCreationFlag
    if version[0] < 10:
        return 1 << int(flags.EXPLICIT_BATCH)
    # In TensorRT 11 every network is strongly typed and the flag is deprecated.
    return 1 << int(flags.STRONGLY_TYPED) if typing.is_strong and version[0] < 11 else 0


def _parse(parser: Any, model: onnx.ModelProto, version: TensorRtVersion) -> None:
    if parser.parse(model.SerializeToString()):
        return
    lines = []
    for index in range(parser.num_errors):
        error = parser.get_error(index)
        lines.append(f"{_node_name(error, model, version)}: {error.desc()}")
    raise UserError(
        f"TensorRT {version[0]}.{version[1]} cannot read the model: {'; '.join(lines) or 'it gives no reason'}\n"
        "take a newer TensorRT if the GPU allows it, or a genotype without that operation"
    )


def _node_name(error: Any, model: onnx.ModelProto, version: TensorRtVersion) -> str:
    if version[0] >= 10:
        return f"{error.node_name()} ({error.node_operator()})"
    index = error.node()
    if not 0 <= index < len(model.graph.node):
        return "the graph"
    node = model.graph.node[index]
    return f"{node.name or node.output[0]} ({node.op_type})"


def _configure(config: Any, request: BuildRequest, typing: Typing, trt: Any) -> None:
    config.builder_optimization_level = request.optimisation_level
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    # TensorRT's default, TF32, would round what a graph calls fp32 to 10 bits of mantissa.
    config.clear_flag(trt.BuilderFlag.TF32)
    for flag in typing.flags:
        config.set_flag(getattr(trt.BuilderFlag, flag))
    if request.workspace_bytes is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, request.workspace_bytes)
    if request.version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    if request.hardware_compatible:
        config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS


def _profile(builder: Any, inputs: Sequence[InputShapes]) -> Any:
    profile = builder.create_optimization_profile()
    for item in inputs:
        profile.set_shape(item.name, min=item.smallest, opt=item.typical, max=item.largest)
    return profile


def _use_timing_cache(config: Any, content: bytes) -> None:
    """Give what earlier builds measured; where TensorRT finds it to be of another GPU or version, begin anew."""
    cache = config.create_timing_cache(content)
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
        config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)


def _failure(what: str, log: Any) -> str:
    return f"{what}: {'; '.join(log.errors) or 'it gives no reason'}"


def _layer_information(trt: Any, log: Any, plan: bytes) -> str:
    """The engine inspector's JSON text about a plan that was just built on this GPU."""
    runtime = trt.Runtime(log)
    # Version-compatible plans carry code of TensorRT's own; this one was made a moment ago, so it may run.
    runtime.engine_host_code_allowed = True
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise UserError(f"TensorRT does not load what it built: {'; '.join(log.errors) or 'it gives no reason'}")
    return engine.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.JSON)
