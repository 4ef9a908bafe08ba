"""Rewrite a graph so that the parser of TensorRT 8.6 reads it as everybody else does; the function stays the same."""

import numpy as np
import onnx
from onnx import helper, numpy_helper, version_converter

_TO_THE_END = 2**31 - 1
_NEWEST_OPSET = 17


def for_older_parser(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a model, of opset 18, whose operators are those of opset 17, every Shape one of all axes.

    Raises RuntimeError where an operator does what opset 17 had none for.
    """
    older = version_converter.convert_version(with_plain_shapes(model), _NEWEST_OPSET)
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
