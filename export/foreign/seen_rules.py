"""How each operator hands on what its inputs depend on: one rule for each kind, a table from operators to rules."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from .seen import Positions, Seen, Shape, side_by_side, step_of, together, windowed


class NotUnderstoodError(Exception):
    """What an operator does to places cannot be said; the text says which and why."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One node, as a rule sees it."""

    node: onnx.NodeProto
    inputs: Sequence[Seen | None]
    """None: a constant, or a value that does not depend on the image's pixels."""
    constants: Sequence[NDArray[Any] | None]
    """The values of inputs that are constants."""
    input_shapes: Sequence[Shape | None]
    shapes: Sequence[Shape]
    """Of the outputs."""
    length: int
    """Pixels of the axis."""
    global_nodes: list[str]
    """Operators that look at the whole image, to be added to."""

    def attribute(self, name: str, default: Any) -> Any:
        """A node's attribute; text as str."""
        for item in self.node.attribute:
            if item.name == name:
                value = onnx.helper.get_attribute_value(item)
                return value.decode() if isinstance(value, bytes) else value
        return default

    def setting(self, index: int, name: str, default: Any = None) -> Any:
        """A list of numbers that is an attribute in old opsets and a constant input in newer ones."""
        if len(self.constants) > index and (value := self.constants[index]) is not None:
            return [int(item) for item in np.atleast_1d(value)]
        if len(self.node.input) > index and self.node.input[index]:
            raise self.problem(f"its {name} are computed")
        return self.attribute(name, default)

    @property
    def first(self) -> Seen:
        """The image's side of a node that has one."""
        if not self.inputs or self.inputs[0] is None:
            raise self.problem("the image is not its first input")
        return self.inputs[0]

    def problem(self, why: str) -> NotUnderstoodError:
        """To be raised."""
        return NotUnderstoodError(f"{self.node.op_type}: {why}")


Rule = Callable[[Reading], list[Seen | None]]


def _elementwise(reading: Reading) -> list[Seen | None]:
    seen = [item for item in reading.inputs if item is not None]
    result = together(seen, reading.shapes[0])
    for constant in reading.constants:
        if constant is None:
            continue
        for axis in result.place_axes:
            own = axis - len(result.shape) + constant.ndim
            if own >= 0 and constant.shape[own] > 1 and np.ptp(constant.astype(np.float64), axis=own).any():
                raise reading.problem("its constant differs from place to place of the image")
    return [result] * len(reading.shapes)


def _convolution(reading: Reading) -> list[Seen | None]:
    kernel = reading.input_shapes[1]
    if kernel is None or reading.inputs[1] is not None:
        raise reading.problem("its weights depend on the image")
    return [_slid(reading, list(kernel[2:]))]


def _pooling(reading: Reading) -> list[Seen | None]:
    return [_slid(reading, list(reading.attribute("kernel_shape", [])))]


def _slid(reading: Reading, kernel: list[int]) -> Seen:
    given, shape = reading.first, reading.shapes[0]
    count = len(kernel)
    strides = list(reading.attribute("strides", [1] * count))
    dilations = list(reading.attribute("dilations", [1] * count))
    pads = list(reading.attribute("pads", [0] * 2 * count))
    automatic = reading.attribute("auto_pad", "NOTSET")
    result, step = given.joined((1,), given.shape), given.step
    for index, (taps, stride, dilation) in enumerate(zip(kernel, strides, dilations, strict=True)):
        axis = 2 + index
        if result.low.shape[axis] == 1:
            continue
        begin = pads[index]
        if automatic.startswith("SAME"):
            total = max((shape[axis] - 1) * stride + (taps - 1) * dilation + 1 - given.shape[axis], 0)
            begin = (total + (automatic == "SAME_LOWER")) // 2
        result = windowed(result, axis, np.arange(shape[axis]) * stride - begin, taps, dilation)
        step *= stride
    return Seen(low=result.low, high=result.high, shape=shape, step=step)


def _transposed_convolution(reading: Reading) -> list[Seen | None]:
    given, shape, kernel = reading.first, reading.shapes[0], reading.input_shapes[1]
    if kernel is None or reading.inputs[1] is not None:
        raise reading.problem("its weights depend on the image")
    count = len(kernel) - 2
    strides = list(reading.attribute("strides", [1] * count))
    dilations = list(reading.attribute("dilations", [1] * count))
    pads = list(reading.attribute("pads", [0] * 2 * count))
    if reading.attribute("auto_pad", "NOTSET") != "NOTSET" or reading.attribute("output_shape", None):
        raise reading.problem("its padding hangs on the size")
    result, step = given.joined((1,), given.shape), given.step
    for index, (taps, stride, dilation) in enumerate(zip(kernel[2:], strides, dilations, strict=True)):
        axis = 2 + index
        if result.low.shape[axis] == 1:
            continue
        # Output o gets input i through tap j where o = i * stride - pad + j * dilation.
        reach = dilation * (taps - 1)
        place = np.arange(shape[axis]) + pads[index]
        first = -((reach - place) // stride)
        last = place // stride
        most = int((last - first).max()) + 1
        wide = windowed(result, axis, first, most, 1)
        # Outputs between taps see fewer inputs; the last ones must not count.
        exact = [windowed(result, axis, first, some, 1) for some in range(1, most + 1)]
        counts = (last - first).clip(0)
        low, high = wide.low.copy(), wide.high.copy()
        for position, number in enumerate(counts):
            here = (slice(None),) * axis + (slice(position, position + 1),)
            low[here], high[here] = exact[number].low[here], exact[number].high[here]
        result = Seen(low=low, high=high, shape=wide.shape, step=given.step)
        step /= stride
    return [Seen(low=result.low, high=result.high, shape=shape, step=step)]


def _space_to_depth(reading: Reading) -> list[Seen | None]:
    block = reading.attribute("blocksize", 1)

    def change(array: Positions) -> Positions:
        n, c, h, w = array.shape
        parts = array.reshape(n, c, h // block, block, w // block, block)
        return parts.transpose(0, 3, 5, 1, 2, 4).reshape(n, c * block * block, h // block, w // block)

    return [reading.first.mapped(change, step=reading.first.step * block)]


def _depth_to_space(reading: Reading) -> list[Seen | None]:
    block, mode = reading.attribute("blocksize", 1), reading.attribute("mode", "DCR")

    def change(array: Positions) -> Positions:
        n, c, h, w = array.shape
        if mode == "DCR":
            parts = array.reshape(n, block, block, c // block**2, h, w).transpose(0, 3, 4, 1, 5, 2)
        else:
            parts = array.reshape(n, c // block**2, block, block, h, w).transpose(0, 1, 4, 2, 5, 3)
        return parts.reshape(n, c // block**2, h * block, w * block)

    return [reading.first.mapped(change, step=reading.first.step / block)]


def _rearranged(change: Callable[[Reading, Positions], Positions]) -> Rule:
    def rule(reading: Reading) -> list[Seen | None]:
        moved = reading.first.mapped(lambda array: change(reading, array))
        return [Seen(low=moved.low, high=moved.high, shape=moved.shape, step=step_of(moved))]

    return rule


def _slice(reading: Reading) -> list[Seen | None]:
    given = reading.first
    starts, ends = reading.setting(1, "starts"), reading.setting(2, "ends")
    axes = reading.setting(3, "axes", list(range(len(starts))))
    steps = reading.setting(4, "steps", [1] * len(starts))
    cut = [slice(None)] * len(given.shape)
    step = given.step
    for start, end, axis, by in zip(starts, ends, axes, steps, strict=True):
        axis %= len(given.shape)
        cut[axis] = slice(start, None if by < 0 and end < -given.shape[axis] else end, by)
        step *= abs(by) if given.low.shape[axis] > 1 and axis in given.place_axes else 1
    return [given.mapped(lambda array: array[tuple(cut)], step=step)]


def _split(reading: Reading) -> list[Seen | None]:
    axis = reading.attribute("axis", 0)
    lengths = [shape[axis] for shape in reading.shapes]
    ends = np.cumsum(lengths)
    cuts = [
        (slice(None),) * (axis % len(reading.first.shape)) + (slice(int(end - size), int(end)),)
        for end, size in zip(ends, lengths, strict=True)
    ]
    return [reading.first.mapped(lambda array, cut=cut: array[cut]) for cut in cuts]


def _concat(reading: Reading) -> list[Seen | None]:
    shape = reading.shapes[0]
    axis = reading.attribute("axis", 0) % len(shape)
    seen = [item for item in reading.inputs if item is not None]
    if len(seen) < len(reading.inputs) and any(axis in item.place_axes for item in seen):
        raise reading.problem("it sets constants beside parts of the image")
    parts: list[Seen] = []
    for item, own in zip(reading.inputs, reading.input_shapes, strict=True):
        if own is None:
            raise reading.problem("the size of an input is not known")
        if item is None:
            # A constant depends on no pixel; what its neighbours depend on is a safe answer.
            together_seen = [part.joined((axis,), (*part.shape[:axis], 1, *part.shape[axis + 1 :])) for part in seen]
            item = replace(together(together_seen, own), shape=own)
        parts.append(item)
    return [side_by_side(parts, axis, shape)]


def _pad(reading: Reading) -> list[Seen | None]:
    given, shape = reading.first, reading.shapes[0]
    pads = reading.setting(1, "pads")
    count = len(given.shape)
    axes = reading.setting(3, "axes", list(range(count))) if len(reading.node.input) > 3 else list(range(count))
    result = given
    for index, axis in enumerate(axes):
        axis %= count
        if given.low.shape[axis] > 1:
            result = windowed(result, axis, np.arange(shape[axis]) - pads[index], 1, 1)
    return [Seen(low=result.low, high=result.high, shape=shape, step=given.step)]


_TAPS: Mapping[str, tuple[int, int]] = {"nearest": (0, 1), "linear": (0, 2), "cubic": (-1, 4)}
"""(first one, number) of the inputs around a position that each mode reads; nearest reads the rounded one."""


def _resize(reading: Reading) -> list[Seen | None]:
    given, shape = reading.first, reading.shapes[0]
    mode = reading.attribute("mode", "nearest")
    coordinates = reading.attribute("coordinate_transformation_mode", "half_pixel")
    if reading.node.op_type == "Upsample":
        coordinates = "asymmetric"
    if mode not in _TAPS or reading.attribute("antialias", 0):
        raise reading.problem(f"mode {mode} or antialiasing is not followed")
    if coordinates not in ("half_pixel", "pytorch_half_pixel", "asymmetric"):
        raise reading.problem(f"with coordinates by {coordinates} it hangs on the image's size")
    first, taps = _TAPS[mode]
    result, step = given, given.step
    for axis in range(len(shape)):
        if given.low.shape[axis] == 1:
            continue
        ratio = Fraction(given.shape[axis], shape[axis])
        place = np.arange(shape[axis])
        # Twice the denominator, so that halves are whole numbers too.
        unit = 2 * ratio.denominator
        at = 2 * ratio.numerator * place
        if coordinates != "asymmetric":
            at = at + ratio.numerator - ratio.denominator
        if mode == "nearest":
            rounding = reading.attribute("nearest_mode", "round_prefer_floor")
            tap = {"floor": at // unit, "ceil": -(-at // unit)}.get(rounding)
            if reading.node.op_type == "Upsample":
                tap = at // unit
            # Of rounding both neighbours are allowed for where the position is a half.
            low = -((unit // 2 - at) // unit) if tap is None else tap
            high = (at + unit // 2) // unit if tap is None else tap
            most = int((high - low).max()) + 1
            result = windowed(result, axis, low.clip(0, given.shape[axis] - most), most, 1)
        else:
            result = windowed(result, axis, at // unit + first, taps, 1)
        step *= ratio
    return [Seen(low=result.low, high=result.high, shape=shape, step=step)]


def _reduced(reading: Reading, axes: Sequence[int], shape: Shape) -> Seen | None:
    """All elements along some axes; None, and noted, where those are the whole image."""
    given = reading.first
    joined = given.joined(tuple(axes), tuple(1 if axis in axes else n for axis, n in enumerate(given.shape)))
    if joined.sees_all(reading.length):
        reading.global_nodes.append(reading.node.op_type)
        return None
    if len(shape) < len(joined.shape):
        gone = tuple(axis for axis in axes)
        low, high = np.squeeze(joined.low, gone), np.squeeze(joined.high, gone)
        return Seen(low=low, high=high, shape=shape, step=joined.step)
    return Seen(low=joined.low, high=joined.high, shape=shape, step=joined.step)


def _reduction(reading: Reading) -> list[Seen | None]:
    rank = len(reading.first.shape)
    if reading.node.op_type.startswith("Global"):
        axes = list(range(2, rank))
    else:
        axes = [axis % rank for axis in reading.setting(1, "axes", None) or range(rank)]
    return [_reduced(reading, axes, reading.shapes[0])]


def _normalised(axes_of: Callable[[Reading], Sequence[int]]) -> Rule:
    """Every element by itself and by all others along some axes."""

    def rule(reading: Reading) -> list[Seen | None]:
        given = reading.first
        axes = [axis % len(given.shape) for axis in axes_of(reading)]
        kept = tuple(1 if axis in axes else n for axis, n in enumerate(given.shape))
        others = _reduced(reading, axes, kept)
        return [given if others is None else together([given, others], given.shape)] + [None] * (
            len(reading.shapes) - 1
        )

    return rule


def _product(reading: Reading) -> list[Seen | None]:
    shape = reading.shapes[0]
    parts: list[Seen] = []
    for item, inner in zip(reading.inputs, (-1, -2), strict=True):
        if item is None:
            continue
        if len(item.shape) < 2:
            raise reading.problem("a vector of the image's values")
        axis = len(item.shape) + inner
        joined = item.joined((axis,), (*item.shape[:axis], 1, *item.shape[axis + 1 :]))
        if joined.sees_all(reading.length):
            reading.global_nodes.append(reading.node.op_type)
        else:
            parts.append(joined)
    return [together(parts, shape) if parts else None]


_ELEMENTWISE = (
    "Abs",
    "Add",
    "And",
    "BatchNormalization",
    "Cast",
    "Ceil",
    "Celu",
    "Clip",
    "Cos",
    "Div",
    "Dropout",
    "Elu",
    "Equal",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "Greater",
    "GreaterOrEqual",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LeakyRelu",
    "Less",
    "LessOrEqual",
    "Log",
    "Max",
    "Mean",
    "Min",
    "Mish",
    "Mul",
    "Neg",
    "Not",
    "Or",
    "Pow",
    "PRelu",
    "Reciprocal",
    "Relu",
    "Round",
    "Selu",
    "Sigmoid",
    "Sign",
    "Sin",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Sub",
    "Sum",
    "Swish",
    "Tanh",
    "ThresholdedRelu",
    "Where",
)
_REDUCTIONS = (
    "GlobalAveragePool",
    "GlobalMaxPool",
    "GlobalLpPool",
    "ReduceMean",
    "ReduceSum",
    "ReduceMax",
    "ReduceMin",
    "ReduceL1",
    "ReduceL2",
    "ReduceProd",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceSumSquare",
)
_SHAPED = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")


def _transposed(reading: Reading, array: Positions) -> Positions:
    return array.transpose(reading.attribute("perm", list(reversed(range(array.ndim)))))


def _gathered(reading: Reading, array: Positions) -> Positions:
    index = reading.constants[1]
    if index is None:
        raise reading.problem("its indices are computed")
    return np.take(array, index.astype(np.int64), axis=reading.attribute("axis", 0))


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(_ELEMENTWISE, _elementwise),
    **dict.fromkeys(_REDUCTIONS, _reduction),
    **dict.fromkeys(_SHAPED, _rearranged(lambda reading, array: array.reshape(reading.shapes[0]))),
    "Transpose": _rearranged(_transposed),
    "Gather": _rearranged(_gathered),
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    **dict.fromkeys(("AveragePool", "MaxPool", "LpPool"), _pooling),
    "SpaceToDepth": _space_to_depth,
    "DepthToSpace": _depth_to_space,
    "Slice": _slice,
    "Split": _split,
    "Concat": _concat,
    "Pad": _pad,
    **dict.fromkeys(("Resize", "Upsample"), _resize),
    "MatMul": _product,
    "Softmax": _normalised(lambda reading: [reading.attribute("axis", -1)]),
    "LogSoftmax": _normalised(lambda reading: [reading.attribute("axis", -1)]),
    "LpNormalization": _normalised(lambda reading: [reading.attribute("axis", -1)]),
    "InstanceNormalization": _normalised(lambda reading: range(2, len(reading.first.shape))),
    "GroupNormalization": _normalised(lambda reading: range(1, len(reading.first.shape))),
    "LayerNormalization": _normalised(
        lambda reading: range(reading.attribute("axis", -1) % len(reading.first.shape), len(reading.first.shape))
    ),
}
"""What is not in it makes a network approximate."""
