"""What runs a model of some precision for a check, and says so.

ONNX Runtime on a processor computes fp16 graphs in fp32 and drops roundings between, and has no bf16 convolution. Such
graphs are emulated in fp32: each operator computes from rounded inputs and its result is rounded once. That is what
tensor cores do, which accumulate in fp32, up to the order of their sums.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ...runtime.backends.openvino_cpu import (
    OPENVINO_HINTS,
    computed_in,
    openvino_core,
    own_arithmetic,
    processor_computes_in,
)
from ...runtime.model.manifest import FloatArithmetic, Precision
from ..graph.variants import Target
from ..precisions.half_precision import bf16

_EMULATED = ("fp16", "bf16")
ModelRun = Callable[[Mapping[str, NDArray[np.float32]]], NDArray[np.float32]]
"""Inputs by name -> `denoised`."""


@dataclass(frozen=True, kw_only=True)
class CheckingEngine:
    """A model made ready to run."""

    description: str
    """Library, version, and how it came to the precision."""
    run: ModelRun


def float_arithmetics(precision: Precision, target: Target) -> tuple[FloatArithmetic | None, ...]:
    """What a model's floating-point layers may be computed in where the target has a choice, the fastest first.

    What OpenVINO can round to on this processor is among them: what it can only simulate is checked all the same.
    """
    if (target, precision) != ("openvino", "int8"):
        return (None,)
    return ("bf16", "fp32") if _openvino_rounds_to_bf16() else ("fp32",)


def opened(
    model: onnx.ModelProto, precision: Precision, target: Target, floating: FloatArithmetic | None = None
) -> CheckingEngine:
    """A model in the engine that checks it: the target's own where it can run here, else ONNX Runtime.

    `floating`: of the floating-point layers of an int8 model in OpenVINO; None: as the runtime chooses.
    """
    if target == "openvino" and precision in ("bf16", "int8") and _openvino_computes_in(precision):
        return _opened_in_openvino(model, precision, floating)
    how = " emulated" if precision in _EMULATED else ""
    return CheckingEngine(
        description=f"onnxruntime {onnxruntime.__version__}, {precision}{how}",
        run=opened_in_onnxruntime(runnable(model, precision, target)),
    )


def value_not_finite(
    model: onnx.ModelProto, precision: Precision, target: Target, inputs: Iterable[Mapping[str, NDArray[np.float32]]]
) -> str | None:
    """The first value inside a model that is not finite for some inputs; an activation may hide it from the output."""
    observed = onnx.ModelProto()
    observed.CopyFrom(runnable(model, precision, target))
    inferred = onnx.shape_inference.infer_shapes(observed).graph
    types = {item.name: item.type.tensor_type.elem_type for item in (*inferred.value_info, *inferred.output)}
    names = [name for node in observed.graph.node for name in node.output if types.get(name) == TensorProto.FLOAT]
    del observed.graph.output[:]
    observed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = _session(observed)
    for feeds in inputs:
        for name, value in zip(names, session.run(names, dict(feeds)), strict=True):
            if not np.isfinite(np.asarray(value)).all():
                return name
    return None


def runnable(model: onnx.ModelProto, precision: Precision, target: Target) -> onnx.ModelProto:
    """What ONNX Runtime can run of a model: its kernels for processors know neither fp16 nor bf16."""
    if (target, precision) == ("openvino", "bf16"):
        model = bf16(model, frozenset())  # the file holds fp32, which OpenVINO rounds by itself
    return runnable_as_written(model, precision)


def runnable_as_written(model: onnx.ModelProto, precision: Precision) -> onnx.ModelProto:
    """What ONNX Runtime can run of a file's graph, in the types that stand in it.

    So two graphs are compared. OpenVINO's bf16 file holds fp32: lowered here, two graphs of one function would differ,
    for a node stays in fp32 by its place between the graph's input and output.
    """
    return emulated(model) if precision in _EMULATED else model


def opened_in_onnxruntime(model: onnx.ModelProto) -> ModelRun:
    """A model in ONNX Runtime on the processor, as it is."""
    session = _session(model)
    return lambda feeds: np.asarray(session.run(["denoised"], dict(feeds))[0])


def _session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # as the runtime does
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _openvino_computes_in(precision: Precision) -> bool:
    return find_spec("openvino") is not None and processor_computes_in(precision)


def _openvino_rounds_to_bf16() -> bool:
    """Whether OpenVINO rounds to bf16 when told to: it simulates that on processors with AVX-512, slower than fp32."""
    if find_spec("openvino") is None:
        return False
    from openvino import Model, Type, opset13

    image = opset13.parameter([1], Type.f32)
    told = {"INFERENCE_PRECISION_HINT": OPENVINO_HINTS["bf16"]}
    model = Model([opset13.relu(image)], [image])  # pyright: ignore[reportGeneralTypeIssues]
    compiled = openvino_core().compile_model(model, "CPU", told)
    return compiled.get_property("INFERENCE_PRECISION_HINT") == Type.bf16


def _opened_in_openvino(
    model: onnx.ModelProto, precision: Precision, floating: FloatArithmetic | None
) -> CheckingEngine:
    import openvino

    core = openvino_core()
    # A processor that simulates bf16 runs such a model in fp32 by itself, and is not what the model is checked for.
    arithmetic = floating if precision == "int8" and floating is not None else own_arithmetic(precision, floating)
    simulated = arithmetic == "bf16" and not processor_computes_in("bf16")
    read = core.read_model(model.SerializeToString(), b"")
    compiled = core.compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": OPENVINO_HINTS[arithmetic]})
    version = openvino.__version__.split("-")[0]
    return CheckingEngine(
        description=f"openvino {version}, {computed_in(precision, arithmetic)}{' simulated' if simulated else ''}",
        run=lambda feeds: np.array(compiled(dict(feeds))["denoised"]),
    )


_SHORT = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
_ROUND_NOTHING = ("Concat", "DepthToSpace", "Expand", "Identity", "Relu", "Reshape", "Slice", "Split", "Transpose")
"""Their results are values they were given."""


def emulated(model: onnx.ModelProto) -> onnx.ModelProto:
    """A graph in fp32 that computes what a graph with fp16 or bf16 values computes; the given model stays."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    short = {item.name: item.type.tensor_type.elem_type for item in (*inferred.value_info, *inferred.output)}
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    constants = [_widened(item) for item in graph.initializer]
    nodes = [part for node in graph.node for part in _rounded(node, short)]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(constants)
    graph.node.extend(nodes)
    return result


def _widened(constant: onnx.TensorProto) -> onnx.TensorProto:
    if constant.data_type not in _SHORT:
        return constant
    return numpy_helper.from_array(numpy_helper.to_array(constant).astype(np.float32), constant.name)


def _rounded(node: onnx.NodeProto, types: dict[str, int]) -> list[onnx.NodeProto]:
    """A node and, behind it, the roundings of its results."""
    computed = onnx.NodeProto()
    computed.CopyFrom(node)
    parts = [computed]
    for index, name in enumerate(node.output):
        to = types.get(name, TensorProto.UNDEFINED)
        if to not in _SHORT or node.op_type in _ROUND_NOTHING:
            continue
        computed.output[index] = exact = f"{name}_exact"
        if node.op_type == "Cast":
            parts.append(helper.make_node("Cast", [exact], [name], to=TensorProto.FLOAT))
        else:
            short = f"{name}_short"
            parts.append(helper.make_node("Cast", [exact], [short], to=to))
            parts.append(helper.make_node("Cast", [short], [name], to=TensorProto.FLOAT))
    return parts
