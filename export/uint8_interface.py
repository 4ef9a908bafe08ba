"""Casts and layout inside the graph: pixels as they lie in a picture's memory in, pixels out."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_TO_CHANNELS_FIRST, _TO_CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


def with_uint8_interface(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that takes and gives uint8 (N, H, W, C), for a model that takes and gives float32 (N, C, H, W) in 0..1.

    The result is the model's, times 255, rounded (halves to even) and clipped, which is what
    `runtime.pixel_values.pixels_of` makes of it. `sigma` stays. A Cast comes first and last: TensorRT takes UINT8 for
    a network's inputs and outputs alone, no Transpose of it, and its Cast to UINT8 is undefined outside 0..255.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    noisy = next(item for item in graph.input if item.name == "noisy")
    denoised = graph.output[0]
    inner = {item.name: f"{item.name}_values" for item in (noisy, denoised)}
    nodes = list(graph.node)
    for node in nodes:
        for names in (node.input, node.output):
            names[:] = [inner.get(name, name) for name in names]
    constants = {"pixels_white": np.float32(255), "pixels_black": np.float32(0)}
    graph.initializer.extend(numpy_helper.from_array(np.array(value), name) for name, value in constants.items())
    first = [
        _node("Cast", ["noisy"], "pixels_as_float", to=TensorProto.FLOAT),
        _node("Transpose", ["pixels_as_float"], "pixels_by_channel", perm=_TO_CHANNELS_FIRST),
        _node("Div", ["pixels_by_channel", "pixels_white"], inner["noisy"]),
    ]
    last = [
        _node("Mul", [inner["denoised"], "pixels_white"], "pixels_unrounded"),
        _node("Round", ["pixels_unrounded"], "pixels_rounded"),
        _node("Clip", ["pixels_rounded", "pixels_black", "pixels_white"], "pixels_clipped"),
        _node("Transpose", ["pixels_clipped"], "pixels_by_place", perm=_TO_CHANNELS_LAST),
        _node("Cast", ["pixels_by_place"], "denoised", to=TensorProto.UINT8),
    ]
    del graph.node[:]
    graph.node.extend([*first, *nodes, *last])
    for item in (noisy, denoised):
        _as_pixels(item)
    return result


def _node(operator: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, inputs, [output], name=f"{operator}_{output}", **attributes)


def _as_pixels(item: onnx.ValueInfoProto) -> None:
    tensor = item.type.tensor_type
    assert tensor.elem_type == TensorProto.FLOAT, f"{item.name} is not float32"
    shape = onnx.TensorShapeProto(dim=[tensor.shape.dim[axis] for axis in _TO_CHANNELS_LAST])
    tensor.shape.CopyFrom(shape)
    tensor.elem_type = TensorProto.UINT8
