"""The operators that TensorRT's ONNX parser takes, on which types, and under which conditions.

Source: docs/operators.md of github.com/onnx/onnx-tensorrt as of TensorRT 8.5 (opset up to 17; its change log names
nothing about these operators for 8.6), and as of TensorRT 10.15 (opset 9 to 24). For 11 only its opsets, up to 25, are
known; its operators are taken to be those of 10.15. Each stands here with the types that all of them take. Left out are
control flow, recurrent networks and random numbers, which no network for pictures needs, and the operators' modes and
dilations.
"""

from collections.abc import Mapping

import onnx
from onnx import TensorProto

from .versions import TensorRtVersion

NEWEST_OPSET = {8: 17, 10: 24, 11: 25}
_INTEGERS = frozenset({TensorProto.INT32, TensorProto.INT64})
"""TensorRT 8.6 makes INT32 of INT64; sizes of images fit."""
_ON_FLOATS = (
    "Acos Acosh Asin Asinh Atan Atanh AveragePool BatchNormalization Ceil Celu Clip Conv ConvTranspose Cos Cosh Elu "
    "Erf Exp Floor Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool HardSigmoid HardSwish InstanceNormalization LRN "
    "LeakyRelu Log LogSoftmax LpNormalization LpPool MatMul MaxPool MeanVarianceNormalization PRelu Pad Pow "
    "QuantizeLinear Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin "
    "ReduceProd ReduceSum ReduceSumSquare Relu Resize Round Selu Sigmoid Sin Sinh Softmax Softplus Softsign Sqrt Tan "
    "Tanh ThresholdedRelu Upsample"
)
_ON_FLOATS_FROM_10 = "Gelu GroupNormalization LayerNormalization"
_ON_FP32_AND_FP16 = "GridSample NonZero"
_ON_FP32_AND_FP16_FROM_10 = "DeformConv Mish"
_ON_NUMBERS = (
    "Abs Add DepthToSpace Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mod Mul Neg Range Shrink Sign "
    "SpaceToDepth Sub Sum"
)
_ON_ANYTHING = (
    "Cast Concat Constant Expand Flatten Gather GatherElements GatherND Identity Reshape Shape Size Slice Split "
    "Squeeze Tile Transpose Trilu Unsqueeze Where"
)
_ON_TRUTHS = "And Not Or Xor"


def types_taken(version: TensorRtVersion) -> Mapping[str, frozenset[int]]:
    """The types of the data of every operator that this version takes."""
    is_newer = version[0] >= 10
    short_floats = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16})
    floats = short_floats | ({TensorProto.BFLOAT16} if is_newer else frozenset[int]())
    numbers = floats | _INTEGERS
    anything = numbers | {TensorProto.BOOL}
    groups = [
        (_ON_FLOATS, floats),
        (_ON_FP32_AND_FP16, short_floats),
        (_ON_NUMBERS, numbers),
        (_ON_ANYTHING, anything),
        (_ON_TRUTHS, frozenset({TensorProto.BOOL})),
        ("Cast", anything | {TensorProto.UINT8}),
        ("ConstantOfShape", anything if is_newer else frozenset({TensorProto.FLOAT})),
        ("DequantizeLinear", frozenset({TensorProto.INT8})),
    ]
    if is_newer:
        groups += [(_ON_FLOATS_FROM_10, floats), (_ON_FP32_AND_FP16_FROM_10, short_floats)]
    return {operator: types for operators, types in groups for operator in operators.split()}


def data_of(node: onnx.NodeProto) -> str:
    """The value whose type decides: the first input, where that is no condition and no shape."""
    match node.op_type:
        case "Where":
            return node.input[1]
        case "ConstantOfShape":
            return node.output[0]
        case _:
            return (*node.input, *node.output)[0]


def unmet_condition(
    node: onnx.NodeProto, *, rank: int | None, constants: Mapping[str, bool], version: TensorRtVersion
) -> str | None:
    """What this version asks of an operator it takes and a node does not fulfil; None where there is nothing.

    `rank`: the number of axes of its data, None where it is not known; `constants`: for each name of a constant of the
    graph, whether it is zero throughout.
    """
    given, operator = list(node.input), node.op_type
    if operator in ("QuantizeLinear", "DequantizeLinear") and len(given) > 2 and not constants.get(given[2], False):
        return "its zero point must be 0"
    if operator == "GridSample" and rank not in (None, 4):
        return f"its input must have 4 axes, not {rank}"
    if operator == "InstanceNormalization" and version[0] < 10:
        if rank is not None and not 3 <= rank <= 5:
            return f"its input must have 3 to 5 axes, not {rank}"
        if not {*given[1:]} <= constants.keys():
            return "its scale and bias must be constants"
    if operator.startswith("Reduce") and version[0] >= 10 and not {*filter(None, given[1:])} <= constants.keys():
        return "its axes must be constants"
    if operator == "LayerNormalization" and len(list(filter(None, node.output))) > 1:
        return "its first output alone is taken"
    if operator == "DeformConv":
        if rank not in (None, 3, 4):
            return f"its input must have 3 or 4 axes, not {rank}"
        pads = next((list(item.ints) for item in node.attribute if item.name == "pads"), [])
        if pads[: len(pads) // 2] != pads[len(pads) // 2 :]:
            return "it must be padded alike at both ends"
    return None
