"""Padding and cropping inside the graph: a model that takes pictures of any size, for programs that do not pad."""

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

_AXES = {"height": 2, "width": 3}


def with_any_size(model: onnx.ModelProto, *, alignment: int, scale: int) -> onnx.ModelProto:
    """A copy that takes any H and W from 1 up, for a model whose H and W are multiples of `alignment`.

    Right of and below the picture its reflection is read (the row before the last, and so on; the row itself where
    there is one only), as `runtime.pixel_values.batch_of` pads; the result is cropped. Only operators that TensorRT's
    parser takes are used. Alignment 1: nothing is added.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    if alignment == 1:
        return result
    graph = result.graph
    inner = {"noisy": "noisy_padded", "denoised": "denoised_padded"}
    nodes = list(graph.node)
    for node in nodes:
        for names in (node.input, node.output):
            names[:] = [inner.get(name, name) for name in names]
    del graph.node[:]
    del graph.value_info[:]
    graph.node.extend([*_padding(), *nodes, *_cropping()])
    numbers = {"size_0": 0, "size_1": 1, "size_2": 2, "size_block": alignment, "size_scale": scale}
    constants = {name: [number] for name, number in numbers.items()}
    constants |= {"size_steps": list(range(alignment - 1)), "size_axes": list(_AXES.values())}
    graph.initializer.extend(
        numpy_helper.from_array(np.array(value, np.int64), name) for name, value in constants.items()
    )
    noisy = next(item for item in graph.input if item.name == "noisy")
    for item in (noisy, graph.output[0]):
        factor = "" if scale == 1 or item.name == "noisy" else f"{scale}*"
        for name, axis in _AXES.items():
            item.type.tensor_type.shape.dim[axis].dim_param = f"{factor}{name}"
    return result


def _padding() -> list[onnx.NodeProto]:
    nodes: list[onnx.NodeProto] = []
    _pad(nodes, "height", "noisy", "noisy_higher")
    _pad(nodes, "width", "noisy_higher", "noisy_padded")
    return nodes


def _pad(nodes: list[onnx.NodeProto], name: str, picture: str, padded: str) -> None:
    """Along the axis `name`, `padded` is `picture` and behind it what is missing to a multiple of the alignment."""
    axis = _AXES[name]

    def add(operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        return _add(nodes, operator, inputs, f"{name}_{output}", **attributes)

    size = add("Shape", ["noisy"], "given", start=axis, end=axis + 1)
    last = add("Sub", [add("Add", [size, "size_block"], "beyond"), "size_1"], "last")
    # Whole numbers are divided without a rest.
    rounded = add("Mul", [add("Div", [last, "size_block"], "blocks"), "size_block"], "rounded")
    steps = add("Slice", ["size_steps", "size_0", add("Sub", [rounded, size], "missing")], "steps")
    # Position p reads where p lies on the wave 0, 1, ..., size - 1, ..., 1 that repeats; of one row, always 0.
    position = add("Add", [size, steps], "position")
    wave = add("Sub", [add("Mul", [size, "size_2"], "doubled"), "size_2"], "wave")
    period = add("Max", [wave, "size_1"], "period")
    whole = add("Mul", [add("Div", [position, period], "periods"), period], "whole")
    phase = add("Sub", [position, whole], "phase")
    index = add("Min", [phase, add("Sub", [period, phase], "back")], "index")
    reflected = add("Gather", [picture, index], "reflected", axis=axis)
    _add(nodes, "Concat", [picture, reflected], padded, axis=axis)


def _cropping() -> list[onnx.NodeProto]:
    nodes: list[onnx.NodeProto] = []
    given = _add(nodes, "Concat", ["height_given", "width_given"], "size_given", axis=0)
    end = _add(nodes, "Mul", [given, "size_scale"], "size_end")
    start = _add(nodes, "Sub", [given, given], "size_start")
    _add(nodes, "Slice", ["denoised_padded", start, end, "size_axes"], "denoised")
    return nodes


def _add(nodes: list[onnx.NodeProto], operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
    nodes.append(helper.make_node(operator, inputs, [output], name=f"{operator}_{output}", **attributes))
    return output
