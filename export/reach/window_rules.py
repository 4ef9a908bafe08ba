"""Rules of operators that slide over the image: convolutions, pooling, padding, resizing."""

from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from .node_reading import Reading
from .seen import Seen, windowed


def convolution(reading: Reading) -> list[Seen | None]:
    """Weighted sums over a window."""
    kernel = reading.input_shapes[1]
    if kernel is None or reading.inputs[1] is not None:
        raise reading.problem("its weights depend on the image")
    return [_slid(reading, list(kernel[2:]))]


def pooling(reading: Reading) -> list[Seen | None]:
    """The mean or the largest of a window."""
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


def transposed_convolution(reading: Reading) -> list[Seen | None]:
    """Every element is spread over a window."""
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


def padded(reading: Reading) -> list[Seen | None]:
    """Elements beyond the edge."""
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


def resized(reading: Reading) -> list[Seen | None]:
    """More or fewer elements, from those around each place."""
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
