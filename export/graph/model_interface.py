"""Models with another interface than the runtime's: pixels in and out, one shape, any size; each is compared."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from .any_size import with_any_size
from .fixed_shape import with_fixed_shape
from .variants import FOR_THE_RUNTIME, ModelInterface

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


_CHECKED_SIZES = ((1, 1), (3, 5))
"""(height, width) in units of the alignment, of a model for all aligned sizes."""


def with_interface(
    model: onnx.ModelProto,
    interface: ModelInterface,
    *,
    alignment: int,
    scale: int,
    runnable: Callable[[onnx.ModelProto], onnx.ModelProto] = lambda model: model,
) -> onnx.ModelProto:
    """A float32 model of aligned sizes with another interface; it computes what the given one does, bit for bit.

    The comparison runs both node by node in ONNX Runtime, as `runnable` makes them where it has no kernels for a
    precision. Raises RuntimeError, a defect of ours, where they differ.
    """
    if interface == FOR_THE_RUNTIME:
        return model
    result = model if interface.shape is None else with_fixed_shape(model, interface.shape)
    if interface.sizes == "any":
        result = with_any_size(result, alignment=alignment, scale=scale)
    if interface.io == "uint8":
        result = with_uint8_interface(result)
    for shape in _checked_shapes(interface, alignment):
        _require_same_answer(runnable(model), runnable(result), interface, shape, alignment=alignment, scale=scale)
    return result


def _checked_shapes(interface: ModelInterface, alignment: int) -> list[tuple[int, int, int]]:
    if interface.shape is not None:
        return [(interface.shape.batch, interface.shape.height, interface.shape.width)]
    if interface.sizes == "any":
        return [(2, 1, 1), (1, alignment, 2 * alignment - 1), (1, 3 * alignment + 1, 2 * alignment)]
    return [(2, alignment * height, alignment * width) for height, width in _CHECKED_SIZES]


def _require_same_answer(
    model: onnx.ModelProto,
    changed: onnx.ModelProto,
    interface: ModelInterface,
    shape: tuple[int, int, int],
    *,
    alignment: int,
    scale: int,
) -> None:
    batch, height, width = shape
    inputs = {item.name: item.type.tensor_type.shape.dim for item in model.graph.input}
    pixels = np.random.default_rng(0).integers(0, 256, (batch, height, width, inputs["noisy"][1].dim_value), np.uint8)
    values = np.ascontiguousarray(np.moveaxis(np.divide(pixels, np.float32(255), dtype=np.float32), 3, 1))
    sigma = {"sigma": np.linspace(0, 75, batch, dtype=np.float32)} if "sigma" in inputs else {}
    padding = [(0, 0), (0, 0), (0, -height % alignment), (0, -width % alignment)]
    padded = _answer(model, {"noisy": np.pad(values, padding, mode="reflect")} | sigma)
    expected = padded[:, :, : scale * height, : scale * width]
    if interface.io == "uint8":
        expected = np.moveaxis(np.clip(np.rint(expected * np.float32(255)), 0, 255), 1, 3).astype(np.uint8)
    got = _answer(changed, {"noisy": pixels if interface.io == "uint8" else values} | sigma)
    if got.dtype != expected.dtype or not np.array_equal(got, expected):
        raise RuntimeError(f"with {interface} the model gives another answer")


def _answer(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    # With shapes known it fuses other nodes, which rounds otherwise.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["denoised"], feeds)[0])
