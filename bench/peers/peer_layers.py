"""A peer's graph as it grows: layers by their names, so that weights can be counted, drawn or read from a file."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ...export.foreign.level_nodes import level_nodes, map_nodes
from ...network_input import NetworkInput

Weights = Callable[[str, tuple[int, ...]], NDArray[np.float32]]
"""(a tensor's name, its shape) -> its values."""
_OPSET, _IR_VERSION = 17, 9


class Layers:
    """Nodes and constants so far. Values are called by the names that the methods return; `noisy` is the image."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def node(self, operation: str, *inputs: str, **attributes: Any) -> str:
        """Any other operation."""
        output = f"value_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operation, list(inputs), [output], **attributes))
        return output

    def conv(
        self,
        value: str,
        name: str,
        channels: tuple[int, int],
        *,
        side: int = 3,
        stride: int = 1,
        groups: int = 1,
        has_bias: bool = True,
        input_order: list[int] | None = None,
    ) -> str:
        """A convolution `name` from channels[0] to channels[1], zero-padded where it has stride 1.

        `input_order`: of the weights' input channels; entry i names the one that meets channel i of `value`.
        """
        kernel = self._weights(f"{name}.weight", (channels[1], channels[0] // groups, side, side))
        inputs = [value, self._constant(f"{name}.weight", kernel if input_order is None else kernel[:, input_order])]
        if has_bias:
            inputs.append(self._constant(f"{name}.bias", self._weights(f"{name}.bias", (channels[1],))))
        pad = side // 2 if stride == 1 else 0
        sides, strides = [side, side], [stride, stride]
        return self.node("Conv", *inputs, kernel_shape=sides, pads=[pad] * 4, strides=strides, group=groups)

    def upconv(self, value: str, name: str, channels: tuple[int, int]) -> str:
        """A transposed convolution of 2 x 2 with stride 2 and no bias."""
        kernel = self._constant(f"{name}.weight", self._weights(f"{name}.weight", (*channels, 2, 2)))
        return self.node("ConvTranspose", value, kernel, kernel_shape=[2, 2], strides=[2, 2])

    def enlarging_conv(self, value: str, name: str, channels: tuple[int, int], *, side: int, scale: int) -> str:
        """A transposed convolution with stride `scale` and a bias whose result is `scale` times as high and wide."""
        inputs = [value]
        for part, shape in (("weight", (*channels, side, side)), ("bias", (channels[1],))):
            inputs.append(self._constant(f"{name}.{part}", self._weights(f"{name}.{part}", shape)))
        return self.node(
            "ConvTranspose",
            *inputs,
            kernel_shape=[side, side],
            strides=[scale, scale],
            pads=[side // 2] * 4,
            output_padding=[scale - 1] * 2,
        )

    def split(self, value: str, channels: tuple[int, int]) -> tuple[str, str]:
        """The first channels and the others."""
        sizes = f"split_{channels[0]}_{channels[1]}"
        if all(item.name != sizes for item in self._constants):
            self._constants.append(numpy_helper.from_array(np.array(channels, np.int64), sizes))
        outputs = (f"value_{len(self._nodes)}_first", f"value_{len(self._nodes)}_rest")
        self._nodes.append(helper.make_node("Split", [value, sizes], list(outputs), axis=1))
        return outputs

    def prelu(self, value: str, name: str, channels: int) -> str:
        """Negative values times NAME.slope, channel by channel."""
        slope = self._weights(f"{name}.slope", (channels,)).reshape(channels, 1, 1)
        return self.node("PRelu", value, self._constant(f"{name}.slope", slope))

    def relu(self, value: str) -> str:
        """max(0, value)."""
        return self.node("Relu", value)

    def scale(self, value: str, name: str, channels: int) -> str:
        """value * NAME.scale + NAME.shift, channel by channel: what is left of a batch normalisation that no
        convolution stands before."""
        shape = (1, channels, 1, 1)
        factor = self._constant(f"{name}.scale", self._weights(f"{name}.scale", (channels,)).reshape(shape))
        shift = self._constant(f"{name}.shift", self._weights(f"{name}.shift", (channels,)).reshape(shape))
        return self.node("Add", self.node("Mul", value, factor), shift)

    def noise_map(self, like: str) -> str:
        """The noise level in 0..1 as one channel with the height and width of `like`. Once in a graph."""
        for nodes, constants in (level_nodes(), map_nodes(like)):
            self._nodes += nodes
            self._constants += constants
        return "level_map"

    def model(self, output: str, given: NetworkInput) -> onnx.ModelProto:
        """The whole graph with hinas's inputs and output, no manifest yet."""
        sides = ["H", "W"] if given.scale == 1 else [f"{given.scale}*H", f"{given.scale}*W"]
        inputs = [helper.make_tensor_value_info("noisy", TensorProto.FLOAT, ["N", given.channels, "H", "W"])]
        if given.conditioned:
            inputs.append(helper.make_tensor_value_info("sigma", TensorProto.FLOAT, ["N"]))
        outputs = [helper.make_tensor_value_info("denoised", TensorProto.FLOAT, ["N", given.channels, *sides])]
        nodes = [*self._nodes, helper.make_node("Identity", [output], ["denoised"])]
        for index, node in enumerate(nodes):
            node.name = f"{node.op_type}_{index}"
        graph = helper.make_graph(nodes, "peer", inputs, outputs, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
        onnx.checker.check_model(model)
        return model

    def _constant(self, name: str, values: NDArray[np.float32]) -> str:
        # Layers may share weights.
        if all(item.name != name for item in self._constants):
            self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name))
        return name
