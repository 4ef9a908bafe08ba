"""Which nodes of a graph TensorRT's ONNX parser does not take, and graphs rewritten for version 8.6."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, version_converter

from ...errors import UserError
from .parser_operators import NEWEST_OPSET, data_of, types_taken, unmet_condition
from .versions import TensorRtVersion


def unsupported_nodes(model: onnx.ModelProto, version: TensorRtVersion) -> list[str]:
    """One line for each node of a graph that this version of the parser does not take, by the documentation.

    A node is judged by its definition's opset, its operator, the type of its data, and what is asked of the operator.
    """
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    values = _values_of(inferred)
    opset = next(item.version for item in model.opset_import if item.domain == "")
    found = []
    for node in inferred.node:
        if problem := _problem(node, values, opset, version):
            found.append(f"{node.name or node.output[0]} ({node.op_type}): {problem}")
    return found


@dataclass(frozen=True, kw_only=True)
class _Values:
    """What is known of a graph's values, by their names."""

    types: Mapping[str, int]
    ranks: Mapping[str, int]
    """Numbers of axes, where they are known."""
    results: frozenset[str]
    """Of the graph itself."""
    constants: Mapping[str, bool]
    """Whether it is zero throughout."""


def _values_of(inferred: onnx.GraphProto) -> _Values:
    described = [*inferred.input, *inferred.value_info, *inferred.output]
    tensors = {item.name: item.type.tensor_type for item in described}
    held = {item.name: item for item in inferred.initializer}
    nodes = [node for node in inferred.node if node.op_type == "Constant"]
    held |= {node.output[0]: node.attribute[0].t for node in nodes if node.attribute[0].name == "value"}
    return _Values(
        types={name: tensor.elem_type for name, tensor in tensors.items()}
        | {name: item.data_type for name, item in held.items()},
        ranks={name: len(tensor.shape.dim) for name, tensor in tensors.items() if tensor.HasField("shape")}
        | {name: len(item.dims) for name, item in held.items()},
        results=frozenset(item.name for item in inferred.output),
        constants=dict.fromkeys((node.output[0] for node in nodes), False)
        | {name: not numpy_helper.to_array(item).any() for name, item in held.items()},
    )


def _problem(node: onnx.NodeProto, values: _Values, opset: int, version: TensorRtVersion) -> str | None:
    taken = types_taken(version).get(node.op_type)
    if taken is None or node.domain:
        return "not an operator that TensorRT's parser is known to take"
    newest = NEWEST_OPSET.get(version[0], max(NEWEST_OPSET.values()))
    since = onnx.defs.get_schema(node.op_type, opset).since_version
    if since > newest:
        return f"defined by opset {since}, the parser takes up to {newest}"
    data = data_of(node)
    kind = values.types.get(data, TensorProto.UNDEFINED)
    if kind not in taken:
        return f"the parser does not take it for {TensorProto.DataType.Name(kind)}"
    if values.types.get(node.output[0]) == TensorProto.UINT8 and node.output[0] not in values.results:
        return "UINT8 is for inputs and outputs of the network only"
    return unmet_condition(node, rank=values.ranks.get(data), constants=values.constants, version=version)


_TO_THE_END = 2**31 - 1
_OLDER_OPSET = 17


def for_older_parser(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a model, of opset 18, whose operators are those of opset 17, every Shape one of all axes.

    Raises UserError where an operator does what opset 17 had none for.
    """
    try:
        older = version_converter.convert_version(with_plain_shapes(model), _OLDER_OPSET)
    except (RuntimeError, version_converter.ConvertError) as error:
        # In the converter's words the place in its source comes first.
        reason = str(error).strip().splitlines()[0].rpartition("failed: ")[2]
        raise UserError(
            f"the model does not go back to opset {_OLDER_OPSET}, the newest that TensorRT 8.6 takes ({reason}); take "
            "TensorRT 10 or later if the GPU allows it, or a network without that operation"
        ) from error
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
