"""What a finished model's inputs and outputs look like to the program that calls it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime

from ..errors import UserError
from ..runtime.manifest import Io
from .fixed_shape import FixedShape, with_fixed_shape
from .uint8_interface import with_uint8_interface

_CHECKED_SIZES = ((1, 1), (3, 5))
"""(height, width) in units of the alignment, of a model for any size."""


@dataclass(frozen=True, kw_only=True)
class ModelInterface:
    """What is asked for; the default is what the runtime takes."""

    io: Io = "float"
    """`float`: (N, C, H, W), 0..1; `uint8`: (N, H, W, C)."""
    shape: FixedShape | None = None
    """The one shape of all inputs; None: any."""

    def __str__(self) -> str:
        axes = "(N, H, W, C), 0..255" if self.io == "uint8" else "(N, C, H, W), 0..1"
        if self.shape is None:
            return f"{self.io} {axes}, any size"
        return f"{self.io} {axes}, {self.shape.batch} x {self.shape.width}x{self.shape.height} alone"

    def require_aligned(self, alignment: int) -> None:
        """Raise UserError where a network of this alignment cannot take the shape."""
        if self.shape is not None and (self.shape.height % alignment or self.shape.width % alignment):
            raise UserError(
                f"--tile {self.shape.width}x{self.shape.height}: this network takes widths and heights that are "
                f"multiples of {alignment}"
            )


FOR_THE_RUNTIME = ModelInterface()


def with_interface(
    model: onnx.ModelProto,
    interface: ModelInterface,
    *,
    alignment: int,
    runnable: Callable[[onnx.ModelProto], onnx.ModelProto] = lambda model: model,
) -> onnx.ModelProto:
    """A model of any size and float32 with another interface; what it computes is held to the given one's, bit for bit.

    The comparison runs both node by node in ONNX Runtime, as `runnable` makes them where it has no kernels for a
    precision. Raises RuntimeError, a defect of ours, where they differ.
    """
    if interface == FOR_THE_RUNTIME:
        return model
    result = model if interface.shape is None else with_fixed_shape(model, interface.shape)
    if interface.io == "uint8":
        result = with_uint8_interface(result)
    for batch, height, width in _checked_shapes(interface, alignment):
        _require_same_answer(runnable(model), runnable(result), interface, (batch, height, width))
    return result


def _checked_shapes(interface: ModelInterface, alignment: int) -> list[tuple[int, int, int]]:
    if interface.shape is not None:
        return [(interface.shape.batch, interface.shape.height, interface.shape.width)]
    return [(2, alignment * height, alignment * width) for height, width in _CHECKED_SIZES]


def _require_same_answer(
    model: onnx.ModelProto, changed: onnx.ModelProto, interface: ModelInterface, shape: tuple[int, int, int]
) -> None:
    batch, height, width = shape
    inputs = {item.name: item.type.tensor_type.shape.dim for item in model.graph.input}
    pixels = np.random.default_rng(0).integers(0, 256, (batch, height, width, inputs["noisy"][1].dim_value), np.uint8)
    values = np.ascontiguousarray(np.moveaxis(np.divide(pixels, np.float32(255), dtype=np.float32), 3, 1))
    sigma = {"sigma": np.linspace(0, 75, batch, dtype=np.float32)} if "sigma" in inputs else {}
    expected = _answer(model, {"noisy": values} | sigma)
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
