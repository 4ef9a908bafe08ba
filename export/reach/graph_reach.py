"""How far the outputs of a network see, read off its graph: an upper bound, whatever the weights are."""

import math
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from ...network_input import NetworkInput
from ..graph.graph_inputs import fed
from .node_reading import NotUnderstoodError, Reading
from .seen import Seen
from .seen_rules import RULES

_LENGTHS = (192, 384, 768, 1536)
"""Pixels of the axis that are tried, until the middle does not see the ends."""


@dataclass(frozen=True, kw_only=True)
class GraphReach:
    """What the graph shows."""

    halo: int
    """Pixels that an output sees at most, per side; what looks at the whole image is left out."""
    period: int
    """Windows that start at its multiples are treated alike."""
    global_nodes: tuple[str, ...]
    """The operators that look at the whole image; none: the halo is all there is."""


def graph_reach(model: onnx.ModelProto, given: NetworkInput) -> GraphReach:
    """Follow the intervals of both axes through a model in hinas's own form.

    Raises NotUnderstoodError that names the operator where one does something to places that cannot be followed.
    """
    weightless = _without_weights(model)
    found = [_along(weightless, given, axis) for axis in (2, 3)]
    return GraphReach(
        halo=max(item.halo for item in found),
        period=math.lcm(*(item.period for item in found)),
        global_nodes=tuple(dict.fromkeys(name for item in found for name in item.global_nodes)),
    )


def _along(model: onnx.ModelProto, given: NetworkInput, axis: int) -> GraphReach:
    for length in _LENGTHS:
        length += -length % given.alignment
        values, global_nodes = _followed(_at_size(model, length), length, axis)
        seen = values["denoised"]
        if seen is None:
            raise NotUnderstoodError("the output does not depend on the image's places")
        period = math.lcm(given.alignment, *(item.step.numerator for item in values.values() if item is not None))
        halo = _halo(seen, length, period, axis, given.scale)
        if halo is not None:
            return GraphReach(halo=halo, period=period, global_nodes=global_nodes)
    raise NotUnderstoodError(f"it sees farther than {_LENGTHS[-1] // 2} pixels")


def _halo(seen: Seen, length: int, period: int, axis: int, scale: int) -> int | None:
    """The reach of one period in the middle; None where it sees an end."""
    middle = length // 2 // period * period
    if period > length // 4:
        return None
    others = tuple(other for other in range(4) if other != axis)
    low, high = seen.low.min(axis=others), seen.high.max(axis=others)
    if len(low) == 1:
        raise NotUnderstoodError("all outputs see the same")
    inside = slice(middle * scale, (middle + period) * scale)
    if low[inside].min() <= 0 or high[inside].max() >= length - 1:
        return None
    place = np.arange(len(low)) // scale
    halo = int(max((place - low)[inside].max(), (high - place)[inside].max(), 0))
    # What sees beyond an end must lie near it, and no end may see the other one, as where an image is rolled.
    lowest, highest = low.clip(-1, None), high.clip(None, length)
    if max((place - lowest).max(), (highest - place).max()) > halo + period:
        raise NotUnderstoodError("outputs at the image's border see farther than those in its middle")
    return halo


_WEIGHTED = ("Conv", "ConvTranspose", "MatMul", "Gemm")


def _without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose layers' weights are inputs of known shape: what they hold does not matter, and is much."""
    readers: dict[str, set[bool]] = {}
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            readers.setdefault(name, set()).add(node.op_type in _WEIGHTED and index == 1)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    weights = [item for item in graph.initializer if readers.get(item.name) == {True}]
    kept = [item for item in graph.initializer if readers.get(item.name) != {True}]
    shaped = [onnx.helper.make_tensor_value_info(item.name, item.data_type, item.dims) for item in weights]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    graph.input.extend(shaped)
    return result


def _at_size(model: onnx.ModelProto, length: int) -> onnx.ModelProto:
    """The model for one square image, with everything computed that follows from its size alone."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for item in fed(fixed.graph):
        free = {"noisy": {0: 1, 2: length, 3: length}, "sigma": {0: 1}}.get(item.name, {})
        for axis, side in free.items():
            item.type.tensor_type.shape.dim[axis].dim_value = side
    del fixed.graph.value_info[:]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "folded.onnx"
        options.optimized_model_filepath = str(path)
        try:
            onnxruntime.InferenceSession(fixed.SerializeToString(), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's exceptions share no public base class
            raise NotUnderstoodError(f"its sizes cannot be computed ({str(error).splitlines()[0][:120]})") from error
        folded = onnx.load(path)
    return onnx.shape_inference.infer_shapes(folded, data_prop=True)


def _followed(model: onnx.ModelProto, length: int, axis: int) -> tuple[dict[str, Seen | None], tuple[str, ...]]:
    """What every value depends on along an axis, by name, and the operators that see everything."""
    graph = model.graph
    constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    shapes = {name: value.shape for name, value in constants.items()}
    for item in (*graph.input, *graph.value_info, *graph.output):
        sides = [side.dim_value for side in item.type.tensor_type.shape.dim]
        if item.type.tensor_type.HasField("shape") and all(sides):
            shapes[item.name] = tuple(sides)
    places = np.arange(length).reshape([length if index == axis else 1 for index in range(4)])
    values: dict[str, Seen | None] = {
        "noisy": Seen(low=places, high=places, shape=shapes["noisy"], step=Fraction(1)),
        "": None,
    }
    global_nodes: list[str] = []
    for node in graph.node:
        inputs = [values.get(name) for name in node.input]
        if node.op_type == "Constant":
            constants[node.output[0]] = _constant(node)
            shapes[node.output[0]] = constants[node.output[0]].shape
            continue
        if not any(inputs):
            values |= {name: _spread(node, shapes.get(name), length, axis) for name in node.output}
            continue
        if any(name and name not in shapes for name in node.output):
            raise NotUnderstoodError(f"{node.op_type}: the size of its result is not known")
        rule = RULES.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        if rule is None:
            raise NotUnderstoodError(f"{node.op_type}: what it does to places is not known")
        reading = Reading(
            node=node,
            inputs=inputs,
            constants=[constants.get(name) for name in node.input],
            input_shapes=[shapes.get(name) for name in node.input],
            shapes=[shapes[name] for name in node.output if name],
            length=length,
            global_nodes=global_nodes,
        )
        try:
            found = rule(reading)
        except (AssertionError, IndexError, KeyError, TypeError, ValueError) as error:
            # A form of the operator that its rule was not written for.
            raise NotUnderstoodError(f"{node.op_type}: in this form it cannot be followed ({error})") from error
        values |= dict(zip((name for name in node.output if name), found, strict=False))
    return values, tuple(global_nodes)


def _spread(node: onnx.NodeProto, shape: tuple[int, ...] | None, length: int, axis: int) -> Seen | None:
    """A value that no pixel reaches. Spread over the image, such as a map of the noise level, it has places all the
    same: at the end of a window it ends, and a convolution sees that."""
    if node.op_type not in ("Expand", "Tile") or shape is None or len(shape) != 4 or shape[axis] == 1:
        return None
    count = shape[axis]
    places = np.arange(count)
    low, high = places * length // count, np.maximum(places * length // count, (places + 1) * length // count - 1)
    form = [count if index == axis else 1 for index in range(4)]
    return Seen(low=low.reshape(form), high=high.reshape(form), shape=shape, step=Fraction(length, count))


def _constant(node: onnx.NodeProto) -> np.ndarray:
    value = onnx.helper.get_attribute_value(node.attribute[0])
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.array(value)
