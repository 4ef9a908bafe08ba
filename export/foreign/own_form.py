"""A network from elsewhere inside hinas's interface: `noisy` and `sigma` in, `denoised` out."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

from ..graph.graph_inputs import fed, shape_of
from .foreign_inputs import ForeignInputs
from .foreign_use import ForeignUse
from .level_nodes import level_nodes, map_nodes

_OWN = "network/"


def in_own_form(model: onnx.ModelProto, inputs: ForeignInputs, use: ForeignUse, *, reduced: int = 1) -> onnx.ModelProto:
    """A copy with inputs `noisy` (N, C, H, W) in 0..1 and, where it is told a level, `sigma` (N,) in grey levels.

    `reduced`: how many times smaller than the image a map of the noise level is. N, H and W are free, whatever the
    file fixed them to; `denoised` has no size yet.
    """
    # Its names may be any: none of them may be one of ours.
    wrapped = onnx.ModelProto()
    wrapped.CopyFrom(compose.add_prefix(model, _OWN))
    graph = wrapped.graph
    _free(graph)
    image, level = f"{_OWN}{inputs.image}", f"{_OWN}{inputs.level}"
    [output] = (item.name for item in graph.output)
    before, constants = ([], []) if inputs.form is None else level_nodes(use.level_factor or 1 / 255)
    if inputs.form in ("map", "channel"):
        nodes, more = map_nodes("noisy", reduced=reduced)
        before, constants = before + nodes, constants + more
    factor, shift = use.affine
    numbers = {"values_factor": factor, "values_shift": shift}
    constants += [numpy_helper.from_array(np.array(value, np.float32), name) for name, value in numbers.items()]
    before += [_node("Mul", ["noisy", "values_factor"], "values_scaled")] if factor != 1 else []
    scaled = "values_scaled" if factor != 1 else "noisy"
    before += [_node("Add", [scaled, "values_shift"], "values_shifted")] if shift else []
    fed_image = "values_shifted" if shift else scaled
    match inputs.form:
        case "channel":
            before.append(_node("Concat", [fed_image, "level_map"], image, axis=1))
        case "map" | "scalar":
            before += [_node("Identity", [fed_image], image), _node("Identity", [f"level_{inputs.form}"], level)]
        case "list" | "column":
            shape = [-1] if inputs.form == "list" else [-1, 1]
            constants.append(numpy_helper.from_array(np.array(shape, np.int64), "level_list"))
            before += [_node("Identity", [fed_image], image), _node("Reshape", ["level_scalar", "level_list"], level)]
        case None:
            before.append(_node("Identity", [fed_image], image))
    after: list[onnx.NodeProto] = []
    if shift and use.predicts == "image":
        after.append(_node("Sub", [output, "values_shift"], "result_unshifted"))
        output = "result_unshifted"
    if factor != 1:
        after.append(_node("Div", [output, "values_factor"], "result_unscaled"))
        output = "result_unscaled"
    last = _node("Identity", [output], "denoised")
    after.append(last if use.predicts == "image" else _node("Sub", ["noisy", output], "denoised"))
    nodes = [*before, *graph.node, *after]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    graph.initializer.extend(item for item in constants if item.name in used)
    pixels = ["N", inputs.channels, "H", "W"]
    graph.input.append(helper.make_tensor_value_info("noisy", TensorProto.FLOAT, pixels))
    if inputs.form is not None:
        graph.input.append(helper.make_tensor_value_info("sigma", TensorProto.FLOAT, ["N"]))
    sides = [inputs.channels, None, None]
    graph.output.append(helper.make_tensor_value_info("denoised", TensorProto.FLOAT, ["N", *sides]))
    wrapped.producer_name, wrapped.producer_version = "hinas", ""
    return wrapped


def _node(operator: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, inputs, [output], name=f"{operator}_{output}", **attributes)


def _free(graph: onnx.GraphProto) -> None:
    """Forget the sizes that the file was exported for, inside the graph too."""
    del graph.value_info[:]
    constants = {item.name for item in graph.initializer}
    kept = [item for item in graph.input if item.name not in constants]
    del graph.input[:]
    graph.input.extend(kept)


def with_sizes(model: onnx.ModelProto, *, scale: int, takes_batches: bool) -> onnx.ModelProto:
    """A copy whose output says its size, and whose inputs say that they take one image alone where that is so."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    batch = "N" if takes_batches else 1
    for item in (*fed(graph), *graph.output):
        _, *rest = shape_of(item)
        sides = rest[:1]
        if rest:
            factor = scale if item.name == "denoised" else 1
            sides += [name if factor == 1 else f"{factor}*{name}" for name in ("H", "W")]
        item.CopyFrom(helper.make_tensor_value_info(item.name, TensorProto.FLOAT, [batch, *sides]))
    return result
