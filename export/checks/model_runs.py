"""What runs a model of some precision for a check, and says so."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from ...runtime.backends.openvino_cpu import openvino_core
from ...runtime.model.manifest import Precision
from ..precisions.emulation import emulated
from ..precisions.half_precision import bf16
from ..targets import Target

_EMULATED = ("fp16", "bf16")
_OPENVINO_HINTS: Mapping[Precision, str] = {"bf16": "bf16", "int8": "f32"}
"""What OpenVINO computes in where an int8 graph does not say, and what it is told for bf16."""
Run = Callable[[Mapping[str, NDArray[np.float32]]], NDArray[np.float32]]
"""Inputs by name -> `denoised`."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A model made ready to run."""

    description: str
    """Library, version, and how it came to the precision."""
    run: Run


def opened(model: onnx.ModelProto, precision: Precision, target: Target) -> Engine:
    """A model in the engine that checks it: the target's own where it can run here, else ONNX Runtime."""
    if target == "openvino" and precision in _OPENVINO_HINTS and _openvino_computes_in(precision):
        return _opened_in_openvino(model, precision)
    how = " emulated" if precision in _EMULATED else ""
    return Engine(
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
    names = [name for node in observed.graph.node for name in node.output if types.get(name) == onnx.TensorProto.FLOAT]
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
    return emulated(model) if precision in _EMULATED else model


def opened_in_onnxruntime(model: onnx.ModelProto) -> Run:
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
    if find_spec("openvino") is None:
        return False
    return precision.upper() in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _opened_in_openvino(model: onnx.ModelProto, precision: Precision) -> Engine:
    import openvino

    core = openvino_core()
    read = core.read_model(model.SerializeToString(), b"")
    compiled = core.compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": _OPENVINO_HINTS[precision]})
    version = openvino.__version__.split("-")[0]
    return Engine(
        description=f"openvino {version}, {precision}", run=lambda feeds: np.array(compiled(dict(feeds))["denoised"])
    )
