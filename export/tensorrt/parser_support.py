"""What TensorRT's ONNX parser takes, for the operators our graphs are made of, and graphs rewritten for version 8.6.

Source: docs/operators.md of github.com/onnx/onnx-tensorrt as of TensorRT 8.5 (opset up to 17; its change log names
nothing about these operators for 8.6), and as of TensorRT 10.15 (opset 9 to 24). For 11 only its opsets, up to 25, are
known; its operators are taken to be those of 10.15. Each stands here with the types that all of them take.
"""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, version_converter

from .versions import TensorRtVersion

_INTEGERS = frozenset({TensorProto.INT32, TensorProto.INT64})
"""TensorRT 8.6 makes INT32 of INT64; sizes of images fit."""
_ON_FLOATS = (
    "AveragePool BatchNormalization Ceil Clip Conv ConvTranspose Exp Floor Gemm GlobalAveragePool HardSigmoid "
    "HardSwish LeakyRelu MatMul MaxPool PRelu Pad Pow QuantizeLinear ReduceMax ReduceMean ReduceSum Relu Resize Round "
    "Sigmoid Softmax Softplus Sqrt Tanh"
)
_ON_NUMBERS = "Abs Add DepthToSpace Div Max Min Mul Neg SpaceToDepth Sub Sum"
_ON_ANYTHING = (
    "Cast Concat Constant Expand Flatten Gather Identity Reshape Shape Slice Split Squeeze Transpose Unsqueeze"
)
_NEWEST_OPSET = {8: 17, 10: 24, 11: 25}


def unsupported_nodes(model: onnx.ModelProto, version: TensorRtVersion) -> list[str]:
    """One line for each node of a graph that this version of the parser does not take, by the documentation.

    A node is judged by its definition's opset, its operator, and the type of its data (its first input).
    """
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    types = {item.name: item.type.tensor_type.elem_type for item in (*inferred.input, *inferred.value_info)}
    types |= {item.name: item.data_type for item in inferred.initializer}
    results = {item.name for item in inferred.output}
    opset = next(item.version for item in model.opset_import if item.domain == "")
    zeros = {item.name for item in inferred.initializer if not onnx.numpy_helper.to_array(item).any()}
    found = []
    for node in inferred.node:
        if problem := _problem(node, types, results, zeros, opset, version):
            found.append(f"{node.name or node.output[0]} ({node.op_type}): {problem}")
    return found


def _problem(
    node: onnx.NodeProto,
    types: dict[str, int],
    results: set[str],
    zeros: set[str],
    opset: int,
    version: TensorRtVersion,
) -> str | None:
    taken = _types_taken(version).get(node.op_type)
    if taken is None or node.domain:
        return "not an operator that TensorRT's parser is known to take"
    newest = _NEWEST_OPSET.get(version[0], max(_NEWEST_OPSET.values()))
    since = onnx.defs.get_schema(node.op_type, opset).since_version
    if since > newest:
        return f"defined by opset {since}, the parser takes up to {newest}"
    data = (*node.input, *node.output)[0]
    kind = types.get(data, TensorProto.UNDEFINED)
    if kind not in taken:
        return f"the parser does not take it for {TensorProto.DataType.Name(kind)}"
    if types.get(node.output[0]) == TensorProto.UINT8 and node.output[0] not in results:
        return "UINT8 is for inputs and outputs of the network only"
    if node.op_type in ("QuantizeLinear", "DequantizeLinear") and len(node.input) > 2 and node.input[2] not in zeros:
        return "its zero point must be 0"
    return None


def _types_taken(version: TensorRtVersion) -> Mapping[str, frozenset[int]]:
    floats = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16})
    if version[0] >= 10:
        floats |= {TensorProto.BFLOAT16}
    numbers = floats | _INTEGERS
    anything = numbers | {TensorProto.BOOL}
    groups = ((_ON_FLOATS, floats), (_ON_NUMBERS, numbers), (_ON_ANYTHING, anything))
    taken = {operator: types for operators, types in groups for operator in operators.split()}
    return taken | {"Cast": anything | {TensorProto.UINT8}, "DequantizeLinear": frozenset({TensorProto.INT8})}


_TO_THE_END = 2**31 - 1
_OLDER_OPSET = 17


def for_older_parser(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a model, of opset 18, whose operators are those of opset 17, every Shape one of all axes.

    Raises RuntimeError where an operator does what opset 17 had none for.
    """
    older = version_converter.convert_version(with_plain_shapes(model), _OLDER_OPSET)
    del older.metadata_props[:]
    older.metadata_props.extend(model.metadata_props)
    return older


def with_plain_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which every Shape of some of the axes is a Shape of all of them and a Slice.

    Shape's `start` and `end` came with opset 15. The parser of TensorRT 8.6 does not look at them and gives all axes,
    without a word; that of TensorRT 10 does. Source: the importer of Shape in onnx-tensorrt, read in
    github.com/gedoensmax/onnx-tensorrt at 48bd055 (the state of 8.6, by its features) and in 10.6; not run.
    """
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    nodes = list(plain.graph.node)
    del plain.graph.node[:]
    for node in nodes:
        plain.graph.node.extend([node])
        if node.op_type != "Shape" or not node.attribute:
            continue
        bounds = {item.name: item.i for item in node.attribute}
        output = node.output[0]
        whole = plain.graph.node[-1]
        del whole.attribute[:]
        whole.output[0] = f"{output}_whole"
        ends = {"start": bounds.get("start", 0), "end": bounds.get("end", _TO_THE_END)}
        plain.graph.initializer.extend(
            numpy_helper.from_array(np.array([bound], np.int64), f"{output}_{name}") for name, bound in ends.items()
        )
        inputs = [whole.output[0], f"{output}_start", f"{output}_end"]
        plain.graph.node.append(helper.make_node("Slice", inputs, [output], name=f"{node.name}_slice"))
    return plain
