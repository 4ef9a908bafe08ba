"""What TensorRT's ONNX parser takes, for the operators our graphs are made of.

Source: docs/operators.md of github.com/onnx/onnx-tensorrt as of TensorRT 8.5 (opset up to 17; its change log names
nothing about these operators for 8.6), and as of TensorRT 10.15 (opset 9 to 24). For 11 only its opsets, up to 25, are
known; its operators are taken to be those of 10.15. Each stands here with the types that all of them take.
"""

from collections.abc import Mapping

import onnx
from onnx import TensorProto

from .versions import Version

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


def unsupported_nodes(model: onnx.ModelProto, version: Version) -> list[str]:
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
    version: Version,
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


def _types_taken(version: Version) -> Mapping[str, frozenset[int]]:
    floats = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16})
    if version[0] >= 10:
        floats |= {TensorProto.BFLOAT16}
    numbers = floats | _INTEGERS
    anything = numbers | {TensorProto.BOOL}
    groups = ((_ON_FLOATS, floats), (_ON_NUMBERS, numbers), (_ON_ANYTHING, anything))
    taken = {operator: types for operators, types in groups for operator in operators.split()}
    return taken | {"Cast": anything | {TensorProto.UINT8}, "DequantizeLinear": frozenset({TensorProto.INT8})}
