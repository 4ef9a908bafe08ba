"""Run fp16 and bf16 graphs where no such arithmetic exists: in fp32, every result rounded as the graph says.

ONNX Runtime on a processor computes fp16 graphs in fp32 and drops roundings between, and has no bf16 convolution. Here
each operator computes in fp32 from rounded inputs and its result is rounded once: what tensor cores, which accumulate
in fp32, do up to the order of their sums.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

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
