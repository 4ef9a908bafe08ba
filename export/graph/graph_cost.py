"""Parameters and multiply-adds of an ONNX graph, counted node by node from the shapes of a real run."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from ...errors import UserError

_SIDE = 64
LAYERS = ("Conv", "ConvTranspose", "MatMul", "Gemm")
"""The operators with multiply-adds worth counting."""


@dataclass(frozen=True, kw_only=True)
class GraphCost:
    """What a graph costs, whatever runs it."""

    parameters: int
    """Elements of all constants the graph computes with, quantised weights among them. Zeros among others, which fill a
    block of channels for some engine, do not count."""
    macs_per_pixel: float
    """Multiply-adds of convolutions and matrix products per input pixel, at an input of 64x64 pixels; with such zeros
    none."""


def cost_of_graph(model: onnx.ModelProto) -> GraphCost:
    """Count a model's cost; UserError where ONNX Runtime cannot run it."""
    sizes = {item.name: math.prod(item.dims) for item in model.graph.initializer}
    parameters = sum(round(sizes[name] * share) for name, share in _filled_constants(model).items())
    return GraphCost(parameters=parameters, macs_per_pixel=sum(macs for _, macs in _layers(model)))


def macs_of_layers(model: onnx.ModelProto) -> dict[str, float]:
    """Multiply-adds per input pixel of each layer, by the node's name; UserError where ONNX Runtime cannot run it."""
    return {node.name: macs for node, macs in _layers(model)}


def _layers(model: onnx.ModelProto) -> list[tuple[onnx.NodeProto, float]]:
    """Each layer, named or not, with its multiply-adds per input pixel.

    Shapes are read off a run on zeros: graphs that compute their shapes defeat static inference.
    """
    nodes = [node for node in model.graph.node if node.op_type in LAYERS]
    wanted = {name for node in nodes for name in (node.input[0], node.input[1], node.output[0])}
    shapes = {item.name: tuple(item.dims) for item in model.graph.initializer}
    shapes |= _shapes_in_a_run(model, wanted - set(shapes))
    filled = _filled_constants(model)
    return [(node, _node_macs(node, shapes) * filled.get(node.input[1], 1) / _SIDE**2) for node in nodes]


def _filled_constants(model: onnx.ModelProto) -> dict[str, float]:
    """The share that is not zero of every constant that is computed with, by name.

    Those are the floating-point ones and, behind a DequantizeLinear, integers; scales and zero points only tell how.
    """
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE)
    quantising = [node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    integers = {node.input[0] for node in quantising if node.op_type == "DequantizeLinear"}
    left_out = {name for node in quantising for name in node.input[1:]}
    constants = [
        item
        for item in model.graph.initializer
        if item.dims and item.name not in left_out and (item.data_type in floats or item.name in integers)
    ]
    return {item.name: _filled(numpy_helper.to_array(item)) for item in constants}


def _filled(constant: np.ndarray) -> float:
    """A constant of nothing but zeros was just not trained yet."""
    return np.count_nonzero(constant) / constant.size or 1.0


def _shapes_in_a_run(model: onnx.ModelProto, names: Iterable[str]) -> dict[str, tuple[int, ...]]:
    feeds = {item.name: _zeros_for(item) for item in model.graph.input}
    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    hidden = sorted(set(names) - set(feeds))
    del observed.graph.output[:]
    observed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in hidden)
    options = onnxruntime.SessionOptions()
    # Fused nodes would hide the tensors asked for.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    try:
        content = observed.SerializeToString()
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        values = session.run(hidden, feeds) if hidden else []
    except Exception as error:  # ORT's exceptions share no public base class
        raise UserError(f"ONNX Runtime cannot run the model ({str(error).splitlines()[0]})") from error
    shapes = {name: np.asarray(value).shape for name, value in zip(hidden, values, strict=True)}
    return shapes | {name: value.shape for name, value in feeds.items()}


def _zeros_for(item: onnx.ValueInfoProto) -> np.ndarray:
    tensor = item.type.tensor_type
    sizes = [
        dimension.dim_value if dimension.HasField("dim_value") else (1 if axis == 0 else _SIDE)
        for axis, dimension in enumerate(tensor.shape.dim)
    ]
    return np.zeros(sizes, dtype=onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))


def _node_macs(node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]) -> int:
    given, weights, output = shapes[node.input[0]], shapes[node.input[1]], shapes[node.output[0]]
    match node.op_type:
        case "Conv":
            return math.prod(output) * math.prod(weights[1:])
        case "ConvTranspose":
            return math.prod(given) * math.prod(weights[1:])
        case _:
            transposed = any(item.name == "transA" and item.i for item in node.attribute)
            return math.prod(output) * (given[-2] if transposed else given[-1])
